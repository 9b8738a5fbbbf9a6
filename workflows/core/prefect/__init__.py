"""Runs flows under Prefect; nothing else in the package imports it."""
