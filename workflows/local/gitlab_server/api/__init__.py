"""The endpoints of GitLab's API v4."""
