"""Runs untrusted programs away from the rest of the machine; start with `run`."""
