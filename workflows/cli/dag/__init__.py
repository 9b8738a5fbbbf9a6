"""`workflows dag …`: check, draw and run DAG files."""
