"""Attempt by attempt: agent, policy, checks."""
