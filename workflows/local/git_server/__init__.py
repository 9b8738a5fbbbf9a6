"""A git server over HTTP, with GitLab's access rules."""
