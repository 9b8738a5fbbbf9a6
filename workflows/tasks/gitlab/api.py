"""The client that flows use: one object for all that they ask of GitLab."""

from __future__ import annotations

from workflows.tasks.gitlab.issues import Issues
from workflows.tasks.gitlab.merge_requests import MergeRequests
from workflows.tasks.gitlab.notes import Notes
from workflows.tasks.gitlab.people import People
from workflows.tasks.gitlab.projects import Projects


class GitLab(Projects, People, Issues, Notes, MergeRequests):
    """A GitLab, for one thread; `again()` makes one for another. See `GitLabClient.connect`."""
