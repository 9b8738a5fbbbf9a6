"""What a run wrote down, and where."""
