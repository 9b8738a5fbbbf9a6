"""What happened, and the webhooks that tell of it."""
