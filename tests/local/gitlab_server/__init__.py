"""Tests of the embedded GitLab."""
