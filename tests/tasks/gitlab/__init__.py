"""Tests of the GitLab client."""
