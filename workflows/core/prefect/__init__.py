"""Runs flows under Prefect; the only folder that imports Prefect."""
