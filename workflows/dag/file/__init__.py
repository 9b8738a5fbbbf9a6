"""DAG files: reading, checking, and what a sound one holds. No I/O but reading the file."""
