"""GitLab's API for flows: issues, notes, branches and merge requests, each made once.

Importing this costs little: python-gitlab comes in with `GitLab.connect`.
"""

from workflows.tasks.gitlab.addresses import IssueAddress, parse_issue_url, parse_project
from workflows.tasks.gitlab.api import GitLab
from workflows.tasks.gitlab.branches import BranchInfo
from workflows.tasks.gitlab.issues import Comment, CommentsRead, Issue, Place
from workflows.tasks.gitlab.merge_requests import MergeRequest, MergeRequestFields
from workflows.tasks.gitlab.notes import Note
from workflows.tasks.gitlab.people import Author, User
from workflows.tasks.gitlab.projects import Project

__all__ = [
    "Author",
    "BranchInfo",
    "Comment",
    "CommentsRead",
    "GitLab",
    "Issue",
    "IssueAddress",
    "MergeRequest",
    "MergeRequestFields",
    "Note",
    "Place",
    "Project",
    "User",
    "parse_issue_url",
    "parse_project",
]
