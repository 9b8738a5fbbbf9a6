"""Webhooks: their bodies, and which webhook gets which event."""
