"""DAGs of container tasks and flows: what they are, where they come from, how they run."""
