"""What a push and a merge change."""
