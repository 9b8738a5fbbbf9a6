"""Requests and answers as GitLab's API has them, whatever they are about."""
