"""What the tests of resolve_issue ask of an outcome and of its GitLab."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx

from workflows.core.flow import FlowState

if TYPE_CHECKING:
    from tests.stack import Stack
    from workflows.core.flow import FlowOutcome
    from workflows.local.gitlab_server.state.model import Issue, Note


def result(outcome: FlowOutcome) -> dict[str, object]:
    assert outcome.state is FlowState.SUCCEEDED, outcome.message
    assert outcome.result is not None
    return outcome.result


def refused(outcome: FlowOutcome) -> dict[str, str | bool]:
    assert outcome.state is FlowState.FAILED, outcome.result
    assert outcome.error is not None
    return outcome.error


def only_note(stack: Stack, issue: Issue) -> Note:
    notes = stack.notes(issue)
    assert len(notes) == 1, [n.body for n in notes]
    return notes[0]


def now() -> datetime:
    return datetime.now(UTC)


def file_at(stack: Stack, branch: str, path: str) -> str:
    repository = stack.project.repository
    sha = repository.resolve(branch)
    assert sha
    entry = repository.entry(sha, path)
    assert entry
    return repository.blob(entry.id).decode()


def ask(stack: Stack, method: str, path: str, **body: object) -> None:
    """Something mona does through the API."""
    token = stack.lab.create_token(stack.people["mona"], ["api"])
    answer = httpx.request(
        method,
        f"{stack.url}/api/v4/projects/{stack.project.id}{path}",
        headers={"PRIVATE-TOKEN": token},
        json=body,
        trust_env=False,
    )
    assert answer.status_code < 300, answer.text
