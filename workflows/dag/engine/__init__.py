"""What runs a DAG: which step is next, its job, its end."""
