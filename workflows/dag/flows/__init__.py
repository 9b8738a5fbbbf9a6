"""Steps of a DAG that are flows of ours."""
