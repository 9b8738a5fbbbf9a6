"""Benchmarks of DAG runs, and what they are set beside."""
