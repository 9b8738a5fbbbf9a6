"""How commits and diffs look in API bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workflows.local.gitlab_server.state import entities

if TYPE_CHECKING:
    from datetime import datetime

    from workflows.local.gitlab_server.state.model import Json, Project
    from workflows.local.gitlab_server.state.repository import Commit, FileDiff
    from workflows.local.gitlab_server.state.state import GitLab

_TRAILER = re.compile(r"([A-Za-z0-9-]+): (.+)")


def time_text(moment: datetime) -> str:
    """A commit's time, in the zone it was made in."""
    return moment.isoformat(timespec="milliseconds")


def commit(lab: GitLab, project: Project, one: Commit) -> Json:
    """A commit as it stands in lists."""
    trailers = _trailers(one.message)
    return {
        "id": one.id,
        "short_id": one.id[:8],
        "title": one.title,
        "message": one.message,
        "author_name": one.author.name,
        "author_email": one.author.email,
        "authored_date": time_text(one.authored_at),
        "committer_name": one.committer.name,
        "committer_email": one.committer.email,
        "committed_date": time_text(one.committed_at),
        "created_at": time_text(one.committed_at),
        "parent_ids": list(one.parents),
        "trailers": {name: values[-1] for name, values in trailers.items()},
        "extended_trailers": trailers,
        "web_url": f"{entities.web_url(lab, project)}/-/commit/{one.id}",
    }


def _trailers(message: str) -> dict[str, list[str]]:
    """The `Name: value` lines of the last paragraph, when it holds nothing else."""
    paragraphs = message.strip().split("\n\n")
    lines = paragraphs[-1].splitlines() if len(paragraphs) > 1 else []
    matches = [_TRAILER.fullmatch(line) for line in lines]
    found: dict[str, list[str]] = {}
    if all(matches):
        for match in matches:
            if match:
                found.setdefault(match[1], []).append(match[2])
    return found


def diff(one: FileDiff) -> Json:
    """One changed file."""
    return {
        "old_path": one.old_path,
        "new_path": one.new_path,
        "a_mode": one.old_mode.replace("000000", "0"),
        "b_mode": one.new_mode.replace("000000", "0"),
        "new_file": one.status == "A",
        "renamed_file": one.status == "R",
        "deleted_file": one.status == "D",
        "generated_file": False,
        "collapsed": False,
        "too_large": False,
        "diff": one.text,
    }
