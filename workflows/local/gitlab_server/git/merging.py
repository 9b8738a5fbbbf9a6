"""Whether a merge request can be merged, and doing it, in git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.gitlab_server.events import payloads
from workflows.local.gitlab_server.git import pushes
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    conflict,
    forbidden,
    unauthorized,
)
from workflows.local.gitlab_server.state.gitlab_state import protections
from workflows.local.gitlab_server.state.model import BranchChange, status_of
from workflows.local.gitlab_server.state.repository import ZEROS, GitPerson

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import MergeRequest, Pipeline, User

_RUNNING = ("created", "waiting_for_resource", "preparing", "pending", "running", "scheduled")
_UNMERGEABLE = ("conflict", "need_rebase")  # 422; whatever else stands in the way is 405


def head_pipeline(request: MergeRequest) -> Pipeline | None:
    """The newest pipeline of the newest commit."""
    refs = {request.source_branch, f"refs/merge-requests/{request.iid}/head"}
    found = [
        pipeline
        for pipeline in request.project.pipelines.values()
        if pipeline.sha == request.head_sha and pipeline.ref in refs
    ]
    return found[-1] if found else None


def detailed_status(request: MergeRequest) -> str:
    """GitLab's `detailed_merge_status`."""
    if request.state != "opened":
        return "not_open"
    if request.unprepared_reads > 0:
        return "checking"
    if not request.head_sha or not request.base_sha or request.head_sha == request.base_sha:
        return "commits_status"
    if payloads.is_draft(request.title):
        return "draft_status"
    return _settings_status(request) or _git_status(request)


def _settings_status(request: MergeRequest) -> str | None:
    """The status if a setting of the project forbids the merge; else None."""
    project = request.project
    if project.only_allow_merge_if_all_discussions_are_resolved and has_unresolved_threads(request):
        return "discussions_not_resolved"
    if project.only_allow_merge_if_pipeline_succeeds:
        pipeline = head_pipeline(request)
        status = status_of(pipeline) if pipeline else "none"
        if status in _RUNNING:
            return "ci_still_running"
        if status not in {"success", "skipped"}:
            return "ci_must_pass"
    return None


def _git_status(request: MergeRequest) -> str:
    project, head = request.project, request.head_sha or ""
    target = project.repository.resolve(f"refs/heads/{request.target_branch}")
    if target is None:
        return "commits_status"
    if project.merge_method != "merge" and not project.repository.is_ancestor(target, head):
        return "need_rebase"
    return "mergeable" if project.repository.merged_tree(target, head) else "conflict"


def has_unresolved_threads(request: MergeRequest) -> bool:
    """Whether a thread is not resolved."""
    notes = (note for thread in request.discussions for note in thread.notes)
    return any(note.resolvable and note.resolved_at is None for note in notes)


def check_may_merge(lab: GitLabState, request: MergeRequest, actor: User, sha: str | None) -> None:
    """Refuse a merge, in GitLab's order of reasons."""
    if not lab.may_merge(request.project, actor, request.target_branch):
        raise unauthorized()
    status = detailed_status(request)
    if status not in {"mergeable", *_UNMERGEABLE}:
        raise GitLabApiError(405, {"message": "405 Method Not Allowed"})
    if status in _UNMERGEABLE:
        raise GitLabApiError(422, {"message": "Branch cannot be merged"})
    if sha is not None and sha != request.head_sha:
        raise conflict(f"SHA does not match HEAD of source branch: {request.head_sha}")


def merge(  # noqa: PLR0913 - what the endpoint takes
    lab: GitLabState,
    request: MergeRequest,
    actor: User,
    *,
    squash: bool,
    remove_source_branch: bool,
    message: str | None = None,
    squash_message: str | None = None,
) -> None:
    """Merge in git, as the project's merge method says; call `check_may_merge` first."""
    project, repository = request.project, request.project.repository
    target = repository.resolve(f"refs/heads/{request.target_branch}") or ""
    head = request.head_sha or ""
    person = GitPerson(actor.name, actor.email)
    new = head
    if squash:
        new = _squash(request, target, squash_message or request.title, person)
    merge_commit = None
    if project.merge_method != "ff":
        tree = repository.merged_tree(target, new) or ""
        text = message or default_merge_message(lab, request)
        new = merge_commit = repository.commit_tree(tree, [target, new], text, person, person)
    if not repository.set_branch(request.target_branch, new, target):
        raise GitLabApiError(422, {"message": "Branch cannot be merged"})
    pushes.mark_merged(lab, request, actor, merge_commit)
    pushes.branches_moved(lab, project, actor, [BranchChange(request.target_branch, target, new)])
    if remove_source_branch:
        _remove_source_branch(lab, request, actor, head)


def _squash(request: MergeRequest, target: str, message: str, committer: GitPerson) -> str:
    """Make one commit of the merge request on top of `target` and return its id."""
    repository = request.project.repository
    tree = repository.merged_tree(target, request.head_sha or "") or ""
    author = GitPerson(request.author.name, request.author.email)
    request.squash_commit_sha = repository.commit_tree(tree, [target], message, author, committer)
    return request.squash_commit_sha


def _remove_source_branch(lab: GitLabState, request: MergeRequest, actor: User, head: str) -> None:
    """Delete the source branch, unless it is protected or has moved on from `head`."""
    project, branch = request.project, request.source_branch
    if protections(project, branch):
        return
    if project.repository.set_branch(branch, ZEROS, head):
        pushes.branches_moved(lab, project, actor, [BranchChange(branch, old=head)])


def default_merge_message(lab: GitLabState, request: MergeRequest) -> str:
    """The merge commit's message, from GitLab's default template."""
    parts = [
        f"Merge branch '{request.source_branch}' into '{request.target_branch}'",
        request.title,
    ]
    numbers = [f"#{issue.iid}" for issue in pushes.issues_closed_by(lab, request)]
    if numbers and request.target_branch == request.project.default_branch:
        parts.append(
            f"Closes {' and '.join([', '.join(numbers[:-1]), numbers[-1]])}"
            if len(numbers) > 1
            else f"Closes {numbers[0]}"
        )
    parts.append(f"See merge request {request.project.path}!{request.iid}")
    return "\n\n".join(parts)


def rebase(lab: GitLabState, request: MergeRequest, actor: User) -> None:
    """Put the source branch on top of the target branch; a conflict ends in `merge_error`."""
    project, repository = request.project, request.project.repository
    heads = repository.branches()
    head, target = heads.get(request.source_branch), heads.get(request.target_branch)
    if not lab.may_push(project, actor, request.source_branch):
        raise forbidden("Cannot push to source branch")
    if head is None or target is None:
        raise forbidden("Source branch does not exist")
    rules = protections(project, request.source_branch)
    if rules and not any(rule.allow_force_push for rule in rules):
        raise forbidden("Source branch is protected from force push")
    new = repository.rebased(head, target, GitPerson(actor.name, actor.email))
    request.merge_error = None
    if new is None:
        request.merge_error = "Rebase failed: Rebase locally, resolve all conflicts, then push"
    elif new != head and repository.set_branch(request.source_branch, new, head):
        pushes.branches_moved(lab, project, actor, [BranchChange(request.source_branch, head, new)])
    pushes.refresh_version(request)
