"""The one door to child processes; `starting` starts them."""

from workflows.core.process.starting import (
    Completed,
    Ended,
    Running,
    background,
    children,
    follow,
    kill_all,
    name_of,
    replace_self,
    run,
    streaming,
)

__all__ = [
    "Completed",
    "Ended",
    "Running",
    "background",
    "children",
    "follow",
    "kill_all",
    "name_of",
    "replace_self",
    "run",
    "streaming",
]
