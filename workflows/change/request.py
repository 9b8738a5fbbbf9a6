"""One piece of work for an agent, and how it is recognised when it comes a second time. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.core.git.commit_text import CommitIdentity

TRAILER = "Workflows-Request"


@dataclass(frozen=True, slots=True)
class Request:
    """What to do (`prompt`), and the commit it becomes.

    `id` comes from the work alone (see `request_id`), so a redelivery has the same one; the
    commit carries it in a trailer, and a branch that has it needs no agent any more.
    """

    id: str
    prompt: str
    subject: str
    details: str = ""
    co_authors: tuple[CommitIdentity, ...] = ()

    def commit_message(self) -> str:
        """Subject, details and the trailer."""
        parts = [self.subject, self.details.strip(), f"{TRAILER}: {self.id}"]
        return "\n\n".join(part for part in parts if part)


def request_id(*facts: object) -> str:
    """16 hex digits from what makes a request the same: flow, project, texts, comment ids."""
    text = json.dumps(facts, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
