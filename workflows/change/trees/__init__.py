"""A commit's files out to a folder and back as a tree, by git's plumbing."""
