"""Journals of DAG runs: what is written, where it is stored, and when it is removed."""
