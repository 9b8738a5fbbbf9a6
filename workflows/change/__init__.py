"""From a request to a commit: what the flows share that let an agent edit a repository."""
