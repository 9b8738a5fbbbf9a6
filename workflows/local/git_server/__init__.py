"""A git server over HTTP."""
