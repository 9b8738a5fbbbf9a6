"""The Task Runner as seen from a run: its protocol, our client, its connections."""
