"""Which job a message starts, and with which arguments. Pure.

The catalogue comes from two places: which workflow is which Cloud Run job from the deployment
(WORKFLOW_JOBS, JSON), which parameters a workflow has from `catalog.json` beside this file, which
is generated from the flows. The flow checks combinations of parameters; if `catalog.json` does not
know the workflow, the flow checks everything.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workflows.trigger.message import (
    MessageRefused,
    WorkflowMessage,
    check_values,
    flag_arguments,
    json_kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ATTRIBUTE_DEDUPE = "dedupe_key"
_JOB = re.compile(r"(?:projects/[^/]+/locations/[^/]+/jobs/)?[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_SWITCH = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,120}")

Parameters = dict[str, dict[str, dict[str, Any]]]
"""Of each workflow, of each parameter: `kind` and whether it is `required`."""


class CatalogInvalid(Exception):
    """The deployment's list of jobs cannot be used; nothing can be started."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Workflow to Cloud Run job (a short name or a whole one), and what each takes."""

    jobs: Mapping[str, str]
    parameters: Parameters

    @classmethod
    def of(cls, jobs_json: str, parameters_json: str) -> Catalog:
        """From WORKFLOW_JOBS and the text of `catalog.json`.

        Raises:
            CatalogInvalid: WORKFLOW_JOBS is not `{"workflow": "job", …}`.
        """
        try:
            jobs = json.loads(jobs_json)
        except ValueError:
            raise CatalogInvalid("WORKFLOW_JOBS is not JSON") from None
        if not isinstance(jobs, dict) or not jobs:
            raise CatalogInvalid('WORKFLOW_JOBS is not {"workflow": "job", …}')
        known: Parameters = json.loads(parameters_json)
        for job in jobs.values():
            if not isinstance(job, str) or not _JOB.fullmatch(job):
                raise CatalogInvalid(f"WORKFLOW_JOBS: {job!r} is no name of a Cloud Run job")
        return cls(jobs, known)

    def workflow(self, name: str) -> str | None:
        """The workflow of this name, or whose job has this name; None: there is none."""
        wanted = name.replace("-", "_")
        if wanted in self.jobs:
            return wanted
        shorts = {job.rpartition("/")[2]: workflow for workflow, job in self.jobs.items()}
        return shorts.get(name)


@dataclass(frozen=True, slots=True)
class Start:
    """A job to start: its name as the deployment gave it, and the arguments of this run."""

    workflow: str
    job: str
    args: tuple[str, ...]


def dispatch(message: WorkflowMessage, catalog: Catalog) -> Start:
    """What `message` starts.

    Raises:
        MessageRefused: no such workflow, or parameters it does not have, lacks or cannot read.
    """
    workflow = catalog.workflow(message.workflow)
    if workflow is None:
        raise MessageRefused(_unknown("workflow", message.workflow, catalog.jobs))
    known = catalog.parameters.get(workflow)
    findings = [] if known is None else check_parameters(message.parameters, known)
    if findings:
        raise MessageRefused(*(f"{workflow}: {finding}" for finding in findings))
    return Start(workflow, catalog.jobs[workflow], tuple(flag_arguments(message.parameters)))


def check_parameters(given: Mapping[str, Any], known: Mapping[str, dict[str, Any]]) -> list[str]:
    """What is wrong with parameters for a workflow that has the `known` ones, a line each."""
    findings = [_unknown("parameter", name, known) for name in given if name not in known]
    findings += [
        f"{name} is missing"
        for name, facts in known.items()
        if facts.get("required") and name not in given
    ]
    for name, value in given.items():
        expected = known.get(name, {}).get("kind", "")
        if problem := misfit(value, expected):
            findings.append(f"{name} {problem}")
    return findings + check_values(dict(given))


def misfit(value: Any, expected: str) -> str:
    """What is wrong with a value where this kind is expected; empty if nothing is."""
    if not expected or _fits(value, expected):
        return ""
    return f"must be {_WORDS[expected]}, not {_shown(value)}"


def message_run_id(message_id: str, attributes: Mapping[str, str]) -> str:
    """The run's id: the same for every delivery of a message, and of a webhook sent twice.

    It is a name that WORKFLOWS_RUN_ID accepts, at most 128 characters.
    """
    key = attributes.get(ATTRIBUTE_DEDUPE, "")
    if key:
        return f"event-{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}"
    if _RUN_ID.fullmatch(message_id):
        return f"message-{message_id}"
    return f"message-{hashlib.sha256(message_id.encode('utf-8', 'replace')).hexdigest()[:32]}"


_WORDS = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "switch": "true or false",
    "list": "a list",
    "object": "an object",
}


_TAKEN_BY: dict[type, tuple[str, ...]] = {
    dict: ("object",),
    list: ("list",),
    bool: ("switch", "text"),
    int: ("integer", "number", "text", "list"),
    float: ("number", "text", "list"),
}


def _fits(value: Any, expected: str) -> bool:
    """Whether a flag with this value can be what the flow expects; numbers may come as text."""
    if isinstance(value, str):
        return _text_fits(value, expected)
    return expected in _TAKEN_BY.get(type(value), ())


def _text_fits(value: str, expected: str) -> bool:
    if expected == "integer":
        return _INTEGER.fullmatch(value) is not None
    if expected == "switch":
        return value.lower() in _SWITCH
    if expected == "number":
        try:
            float(value)
        except ValueError:
            return False
    return True


def _shown(value: Any) -> str:
    return "this text" if isinstance(value, str) else json_kind(value)


def _unknown(what: str, name: str, names: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - 5 ms that a right message does not pay

    known = list(names)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"there is no {what} {name!r}; {hint}there is: {', '.join(known)}"
