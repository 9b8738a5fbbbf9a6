"""One piece of work for an agent, and how a second delivery of it is recognised. Pure.

A `ChangeRequest` holds all that is known before the clone; the stages start from it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.change.options import ChangeOptions
    from workflows.core.git.commit_text import CommitIdentity
    from workflows.core.git.urls import GitUrl

TRAILER = "Workflows-Request"


@dataclass(frozen=True, slots=True)
class TaskComment:
    """One comment of an issue: the author's user name and the text."""

    author: str
    body: str


@dataclass(frozen=True, slots=True)
class IssueTask:
    """A task that is an issue, with the comments that count."""

    iid: int
    title: str
    description: str
    comments: tuple[TaskComment, ...]


@dataclass(frozen=True, slots=True)
class FeatureTask:
    """A task that an operator wrote as one text."""

    text: str


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """What to change, in which branch of which repository, and the commit that it becomes.

    `id` comes from the work alone (see `request_id`), so each delivery has the same one. The
    commit carries it in a trailer, and a branch with that commit needs no agent any more.
    `source_branch` None means the default branch. `claimed_at` is the commit at which a claim
    made the remote branch. `pipeline_file` is the project's file in place of `.gitlab-ci.yml`.
    """

    id: str
    task: IssueTask | FeatureTask
    subject: str
    url: GitUrl
    branch: str
    source_branch: str | None
    author: CommitIdentity
    options: ChangeOptions
    details: str = ""
    co_authors: tuple[CommitIdentity, ...] = ()
    claimed_at: str | None = None
    pipeline_file: str | None = None

    def commit_message(self) -> str:
        """Subject, details and the trailer."""
        parts = [self.subject, self.details.strip(), f"{TRAILER}: {self.id}"]
        return "\n\n".join(part for part in parts if part)


def request_id(*facts: object) -> str:
    """16 hex digits from what makes a request the same: flow, project, texts, comment ids."""
    text = json.dumps(facts, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
