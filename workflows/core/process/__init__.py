"""The one door to child processes; `starting` starts them."""

from workflows.core.process.starting import (
    Completed,
    ProcessEnd,
    ProcessGroup,
    background,
    child_groups,
    follow,
    kill_all,
    name_of,
    replace_self,
    run,
    streaming,
)

__all__ = [
    "Completed",
    "ProcessEnd",
    "ProcessGroup",
    "background",
    "child_groups",
    "follow",
    "kill_all",
    "name_of",
    "replace_self",
    "run",
    "streaming",
]
