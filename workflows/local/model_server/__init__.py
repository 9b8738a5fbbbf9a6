"""A model with an OpenAI-compatible API on 127.0.0.1 that plays recorded answers by prompt."""

from workflows.local.model_server.recordings import DEMO_RECORDINGS, RecordingInvalid
from workflows.local.model_server.server import ReceivedRequest, RecordedModel, Upstream

__all__ = ["DEMO_RECORDINGS", "ReceivedRequest", "RecordedModel", "RecordingInvalid", "Upstream"]
