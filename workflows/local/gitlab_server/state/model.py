"""Data classes of what a GitLab stores. No rules, no JSON, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workflows.local.gitlab_server.state.repository import ZEROS

if TYPE_CHECKING:
    from datetime import date

    from workflows.local.gitlab_server.state.repository import BareRepository

Json = dict[str, Any]

GUEST = 10
PLANNER = 15
REPORTER = 20
DEVELOPER = 30
MAINTAINER = 40
OWNER = 50
FINISHED = ("success", "failed", "canceled", "skipped")  # statuses of a pipeline or job
_WEIGHT = ("running", "pending", "created", "manual", "failed", "canceled", "success", "skipped")


def iso(moment: datetime | None) -> str | None:
    """The time in the format of API bodies: `2016-01-04T15:31:46.176Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(eq=False)
class User:
    """An account; `state` is active or blocked. A `bot` belongs to a project's token."""

    id: int
    username: str
    name: str
    email: str
    is_admin: bool = False
    bot: bool = False
    state: str = "active"


@dataclass(eq=False)
class Token:
    """An access token. `scopes` are named as GitLab names them: api, read_repository."""

    value: str = field(repr=False)
    user: User
    scopes: frozenset[str]
    expires_at: date | None = None
    revoked: bool = False


@dataclass(eq=False)
class Member:
    """A user's access level in a project or group, up to the day before `expires_at`."""

    user: User
    level: int
    expires_at: date | None = None


@dataclass(eq=False)
class Namespace:
    """A group, or a person's own namespace; members of a group are members of all below it."""

    id: int
    path: str
    kind: str = "group"
    members: dict[int, Member] = field(default_factory=dict)


@dataclass(eq=False)
class Protection:
    """A protected branch, or all that a `*` in `name` matches. Level 0 is nobody."""

    id: int
    name: str
    push_level: int = MAINTAINER
    merge_level: int = MAINTAINER
    allow_force_push: bool = False


@dataclass(eq=False)
class Label:
    """A label of a project."""

    id: int
    name: str
    color: str
    created_at: datetime
    description: str | None = None
    priority: int | None = None


@dataclass(eq=False, kw_only=True)
class Note:
    """A comment; `system` ones are written by GitLab itself."""

    id: int
    body: str
    author: User
    created_at: datetime
    updated_at: datetime
    system: bool = False
    internal: bool = False
    resolvable: bool = False
    resolved_by: User | None = None
    resolved_at: datetime | None = None
    position: Json | None = None


@dataclass(eq=False)
class Discussion:
    """A thread; a plain comment is a thread of its own with one note (`individual`)."""

    id: str
    individual: bool
    notes: list[Note]


@dataclass(eq=False, kw_only=True)
class Noteable:
    """What issues and merge requests have in common."""

    id: int
    iid: int
    project: Project
    author: User
    title: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    state: str = "opened"
    closed_at: datetime | None = None
    closed_by: User | None = None
    labels: list[Label] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    discussions: list[Discussion] = field(default_factory=list)
    label_events: list[Json] = field(default_factory=list)
    state_events: list[Json] = field(default_factory=list)
    discussion_locked: bool | None = None

    @property
    def notes(self) -> list[Note]:
        """Every note, oldest first."""
        notes = [note for discussion in self.discussions for note in discussion.notes]
        return sorted(notes, key=lambda note: note.id)


@dataclass(eq=False, kw_only=True)
class Issue(Noteable):
    """An issue."""

    confidential: bool = False
    issue_type: str = "issue"
    due_date: str | None = None


@dataclass(eq=False, kw_only=True)
class MergeRequest(Noteable):
    """A merge request; the three commit ids are those of its latest version."""

    source_branch: str
    target_branch: str
    head_sha: str | None = None
    base_sha: str | None = None
    start_sha: str | None = None
    changes_count: int = 0
    reviewers: list[User] = field(default_factory=list)
    squash: bool = False
    remove_source_branch: bool | None = None
    merge_error: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merged_at: datetime | None = None
    merge_user: User | None = None
    auto_merge: bool = False
    prepared_at: datetime | None = None
    unprepared_reads: int = 0


@dataclass(eq=False, kw_only=True)
class PipelineJob:
    """A job of a pipeline, or an external status (which has no log)."""

    id: int
    name: str
    status: str
    created_at: datetime
    stage: str = "test"
    allow_failure: bool = False
    failure_reason: str | None = None
    trace: bytes = b""
    external: bool = False
    target_url: str | None = None
    description: str | None = None
    duration_s: float | None = None
    retried: bool = False


@dataclass(eq=False, kw_only=True)
class Pipeline:
    """A pipeline; its status is that of its jobs unless it has none."""

    id: int
    iid: int
    project: Project
    ref: str
    sha: str
    user: User
    created_at: datetime
    updated_at: datetime
    source: str = "push"
    status: str = "created"
    yaml_errors: str | None = None
    jobs: list[PipelineJob] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Hook:
    """A webhook of a project. `events` holds the names of the flags that are on."""

    id: int
    url: str
    created_at: datetime
    events: set[str]
    name: str | None = None
    description: str | None = None
    token: str | None = field(default=None, repr=False)
    signing_token: str | None = field(default=None, repr=False)
    enable_ssl_verification: bool = True
    push_events_branch_filter: str = ""
    custom_headers: list[Json] = field(default_factory=list)
    failures: int = 0
    disabled_until: datetime | None = None
    log: list[Json] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Project:
    """A project with all that belongs to it. If `decline` is set, every push is refused with it.

    `last_push_options` is what the last `git push -o` said, such as `ci.skip`.
    """

    id: int
    path: str
    name: str
    namespace: Namespace
    repository: BareRepository
    created_at: datetime
    creator: User | None = None
    default_branch: str = "main"
    visibility: str = "private"
    description: str | None = None
    archived: bool = False
    merge_method: str = "merge"
    squash_option: str = "default_off"
    remove_source_branch_after_merge: bool = True
    only_allow_merge_if_pipeline_succeeds: bool = False
    only_allow_merge_if_all_discussions_are_resolved: bool = False
    autoclose_referenced_issues: bool = True
    merge_requests_enabled: bool = True
    ci_config_path: str | None = None
    decline: str | None = None
    last_push_options: tuple[str, ...] = ()
    old_paths: set[str] = field(default_factory=set)
    members: dict[int, Member] = field(default_factory=dict)
    protections: list[Protection] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    issues: dict[int, Issue] = field(default_factory=dict)
    merge_requests: dict[int, MergeRequest] = field(default_factory=dict)
    pipelines: dict[int, Pipeline] = field(default_factory=dict)
    hooks: dict[int, Hook] = field(default_factory=dict)


class BranchChange(NamedTuple):
    """A branch that was created, moved or deleted; an id of zeros stands for no commit.

    `push_options` are those of the whole push (`git push -o`).
    """

    branch: str
    old: str = ZEROS
    new: str = ZEROS
    push_options: tuple[str, ...] = ()


def status_of(pipeline: Pipeline) -> str:
    """The status that follows from its jobs; a failed job that may fail counts as a success."""
    found = {
        "success" if job.status == "failed" and job.allow_failure else job.status
        for job in pipeline.jobs
        if not job.retried
    }
    return next((status for status in _WEIGHT if status in found), pipeline.status)
