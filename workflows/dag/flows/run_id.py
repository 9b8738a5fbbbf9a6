"""The id of a flow step's own run, and how long such a run may take."""

from __future__ import annotations

from hashlib import sha256

LIMIT_S = 36_000.0


def flow_run_id(key: str) -> str:
    """The id of the flow's own run, which WORKFLOWS_RUN_ID accepts: readable, and as unique."""
    readable = "".join(c if c.isalnum() or c in "._-" else "." for c in key[:80])
    return f"{readable}.{sha256(key.encode()).hexdigest()[:16]}"
