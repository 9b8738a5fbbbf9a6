"""The embedded stack: what runs in the cloud in production, on 127.0.0.1. Also the tests' fixtures."""
