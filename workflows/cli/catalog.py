"""The flows, by name. To add one, add one line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from workflows.core.errors import WorkflowUnknown
from workflows.core.nearest import nearest

if TYPE_CHECKING:
    from workflows.core.flow import Flow

FLOWS = {
    "hello_world": "Push a branch with a greeting to a git repository.",
    "push_feature": "Let a coding agent carry out a request and push it to a branch.",
    "gitlab_pull_request": "Open or update the merge request of a branch on GitLab.",
    "run_dag": "Run a workflow file of container tasks on a Task Runner.",
    "resolve_issue": "Turn a GitLab issue into a checked merge request.",
}


def find(name: str) -> Flow:
    """The flow of this name; `hello-world` means `hello_world`.

    Raises:
        WorkflowUnknown: there is none; the message names those there are.
    """
    wanted = name.replace("-", "_")
    if wanted not in FLOWS:
        close = nearest(wanted, FLOWS)
        raise WorkflowUnknown(
            f"there is no workflow {name!r}",
            why=f"these exist: {', '.join(FLOWS)}",
            fix=f"did you mean {close}?" if close else "see `workflows list`",
        )
    module = importlib.import_module(f"workflows.{wanted}")
    flow: Flow = module.FLOW
    return flow
