"""What of an agent's change is committed, left out or refused."""
