"""Which permissions the predefined roles for jobs have.

Source: the IAM pages of Cloud Run (`roles/run.*` and `run.*` permissions). `roles/run.invoker` may
run a job, but not with overrides.
"""

from __future__ import annotations

_RUN = frozenset({"run.jobs.run"})
_OVERRIDE = frozenset({"run.jobs.runWithOverrides"})
_CANCEL = frozenset({"run.executions.cancel"})
_VIEW = frozenset(
    {
        "run.jobs.get",
        "run.jobs.list",
        "run.executions.get",
        "run.executions.list",
        "run.tasks.get",
        "run.tasks.list",
        "run.operations.get",
        "run.operations.list",
    }
)
_CHANGE = frozenset(
    {"run.jobs.create", "run.jobs.update", "run.jobs.delete", "run.executions.delete"}
)
_ALL = _RUN | _OVERRIDE | _CANCEL | _VIEW | _CHANGE

ROLES = {
    "roles/run.admin": _ALL,
    "roles/run.developer": _ALL,
    "roles/run.viewer": _VIEW,
    "roles/run.invoker": _RUN,
    "roles/run.jobsExecutor": _RUN | _CANCEL,
    "roles/run.jobsExecutorWithOverrides": _RUN | _OVERRIDE | _CANCEL,
}
