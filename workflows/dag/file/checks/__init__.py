"""The rules of DAG files: what each value may be, and what must hold between steps."""
