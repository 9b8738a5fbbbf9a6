"""The embedded stack: on 127.0.0.1 what production has in the cloud; also the tests' fixtures."""
