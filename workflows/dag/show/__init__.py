"""What people see of a DAG and its run: drawings, progress, reports."""
