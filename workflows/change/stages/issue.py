"""From the parameters to the issue: who asked, what it says. Reads only; writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflows.change.claim.claim_request import ClaimRequest
from workflows.change.request import ChangeRequest, IssueTask, TaskComment, request_id
from workflows.change.wording.safe_text import one_line, slug
from workflows.core.errors import AccessDenied, ActorRefused, PermanentError, ResourceNotFound
from workflows.core.git.commit_text import CommitIdentity
from workflows.core.git.urls import GitUrl
from workflows.tasks.gitlab import parse_issue_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from workflows.change.claim.marker import Marker
    from workflows.change.issue_options import IssueOptions
    from workflows.change.wording.status_note import StatusNote
    from workflows.core.config.settings import Settings
    from workflows.tasks.gitlab import Comment, GitLab, Issue, Project, User

DEVELOPER = 30
_SUBJECT = 72


@dataclass(frozen=True, slots=True)
class IssueContext:
    """One issue as it was when somebody asked. `asker` is None for an operator.

    `branch` is the name for a new branch; `request_id` the same for the same texts.
    `text_changed`: title or description are not what they were when it was asked.
    """

    me: User
    project: Project
    issue: Issue
    comments: tuple[Comment, ...]
    asker: User | None
    asked: datetime
    target: str
    branch: str
    request_id: str
    author: CommitIdentity
    reviewer_ids: tuple[int, ...] = ()
    text_changed: bool = False

    def refusal(self) -> PermanentError | None:
        """Why no work on this issue may be published, whoever asked; None if it may."""
        if self.issue.confidential and self.project.visibility != "private":
            return AccessDenied(
                f"issue {self.issue.iid} is confidential, and {self.project.path} is"
                f" {self.project.visibility}",
                why="a branch and a merge request would show it to everybody",
                fix="do this one by hand, in a private fork",
            )
        if not self.project.merge_requests_enabled:
            return AccessDenied(
                f"{self.project.path} has merge requests switched off",
                fix="switch them on in the project's settings, then ask again",
            )
        if self.text_changed:
            return AccessDenied(
                f"the text of issue {self.issue.iid} was changed after it was asked for",
                why="who asked has not seen the new one",
                fix="read it, then ask again",
            )
        return None

    def request(self, options: IssueOptions, marker: Marker | None) -> ChangeRequest:
        """The change that is asked for. `marker` is our claim's; None in a dry run."""
        issue = self.issue
        comments = tuple(TaskComment(one.author_username, one.body) for one in self.comments)
        return ChangeRequest(
            id=self.request_id,
            task=IssueTask(issue.iid, issue.title, issue.description, comments),
            subject=_subject(issue.iid, issue.title),
            details=f"Issue: {issue.web_url}",
            co_authors=(_person(self.asker),) if self.asker else (),
            url=GitUrl.parse(self.project.clone_url),
            branch=marker.branch if marker else self.branch,
            source_branch=options.target_branch,
            author=self.author,
            options=options,
            claimed_at=marker.base if marker else None,
            pipeline_file=self.project.ci_config_path,
        )

    def claim_request(
        self, options: IssueOptions, run_id: str, lease_s: float, note: StatusNote
    ) -> ClaimRequest:
        """The claim that one process needs before it may work on the issue."""
        return ClaimRequest(
            project_id=self.project.id,
            iid=self.issue.iid,
            own_id=self.me.id,
            owner=f"{run_id}/{os.urandom(4).hex()}",
            run=run_id,
            branch=self.branch,
            ref=self.target,
            request=self.request_id,
            asked=options.asked_at,
            asked_at=self.asked.isoformat(),
            lease_s=lease_s,
            note=note,
            refusal=self.refusal(),
        )


def read_issue(gitlab: GitLab, asked: IssueOptions, settings: Settings) -> IssueContext:
    """Read the issue with its comments as they were at `asked_at`; writes nothing.

    Raises:
        InputError: the URL is not one of an issue on this GitLab, or a reviewer does not exist.
        ActorRefused: who asked is not an active member with the role Developer or above.
        ResourceNotFound: no such project or issue, or the repository is empty.
        AccessDenied: the project is archived.
    """
    reference, iid = _where(asked, settings)
    me = gitlab.me()
    project = gitlab.project(reference)
    asker = _asker(gitlab, asked.actor_id, me, project)
    issue = gitlab.issue(project.id, iid)
    when = asked.asked_at or gitlab.server_time()
    said = gitlab.comments_until(project.id, iid, until=asked.asked_at, own_id=me.id)
    comments = tuple(said.comments)
    if project.archived:
        raise AccessDenied(f"{project.path} is archived", fix="unarchive it, then ask again")
    target = asked.target_branch or project.default_branch
    if target is None:
        raise ResourceNotFound(
            f"{project.path} has no default branch",
            why="the repository is empty",
            fix="push a first commit, then ask again",
        )
    return IssueContext(
        me=me,
        project=project,
        issue=issue,
        comments=comments,
        asker=asker,
        asked=when,
        target=target,
        branch=issue_branch_name(iid, issue.title, closes=asked.closes),
        request_id=request_id(
            *("resolve_issue", project.id, iid, target, issue.title, issue.description),
            [(one.id, one.body) for one in comments],
        ),
        author=CommitIdentity(asked.git_user or _name(me), asked.git_email or me.email),
        reviewer_ids=gitlab.user_ids(asked.reviewers),
        text_changed=said.text_changed,
    )


def issue_branch_name(iid: int, title: str, *, closes: bool = True) -> str:
    """`12-the-total-is-0`: GitLab ties such a branch to issue 12, and closes it on merge.

    A run that must not close it gets `issue-12-…`.
    """
    name = "-".join(part for part in (str(iid), slug(title)) if part)
    return name if closes else f"issue-{name}"


def _where(asked: IssueOptions, settings: Settings) -> tuple[str, int]:
    if asked.issue_url is not None:
        return parse_issue_url(asked.issue_url, settings.gitlab_url or "")
    assert asked.project is not None  # noqa: S101 - the parameters' own check
    assert asked.issue_iid is not None  # noqa: S101
    return asked.project, asked.issue_iid


def _asker(gitlab: GitLab, actor_id: int | None, me: User, project: Project) -> User | None:
    """Who asked, if that person may; None for an operator."""
    if actor_id is None:
        return None
    if actor_id == me.id:  # our own note or label came back as an event: that could go on for ever
        raise ActorRefused(
            f"{me.username} may not ask for work, being the user of this run's token",
            why="its own notes and labels would start runs without end",
            fix="let a person ask, and give Workflows a bot user of its own",
        )
    level = gitlab.access_level(project.id, actor_id)
    if level < DEVELOPER:
        raise ActorRefused(
            f"user {actor_id} may not start work in {project.path}",
            why=f"access level {level} at this time; needed is {DEVELOPER} (Developer), active",
            fix="let somebody with the role Developer or above ask",
        )
    return gitlab.user_by_id(actor_id)


def _subject(iid: int, title: str) -> str:
    """The commit's first line. No closing word: that is the merge request's to say."""
    words = one_line(title, _SUBJECT - len(f" (issue {iid})"))
    return f"{words or 'Work on an issue'} (issue {iid})"


def _person(user: User) -> CommitIdentity:
    return CommitIdentity(_name(user), user.email)


def _name(user: User) -> str:
    """A name git's ident format can hold."""
    return one_line(user.name, 100) or user.username


def comment_count(comments: Sequence[Comment]) -> str:
    """`2 comments`, for the plan of a dry run."""
    return "1 comment" if len(comments) == 1 else f"{len(comments)} comments"
