"""Google's APIs over REST: tokens, Cloud Storage, Cloud Run."""
