"""A model with an OpenAI-compatible API on 127.0.0.1 that plays recorded answers by prompt."""

from workflows.local.model.recordings import DEMO_RECORDINGS, RecordingInvalid
from workflows.local.model.server import Asked, RecordedModel, Upstream

__all__ = ["DEMO_RECORDINGS", "Asked", "RecordedModel", "RecordingInvalid", "Upstream"]
