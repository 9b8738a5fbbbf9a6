"""Calls of the git program, and the URLs, branch names and commit messages given to it."""
