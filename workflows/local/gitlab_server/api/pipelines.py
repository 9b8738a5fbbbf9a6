"""Endpoints: pipelines, jobs, logs, commit statuses. They are stored; no CI file is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from workflows.local.gitlab_server.events import webhooks
from workflows.local.gitlab_server.git import merging
from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    bad_request,
    invalid_parameter,
    not_found,
)
from workflows.local.gitlab_server.http.paging import paginate
from workflows.local.gitlab_server.http.routing import Routes
from workflows.local.gitlab_server.state.model import (
    DEVELOPER,
    FINISHED,
    Pipeline,
    PipelineJob,
    status_of,
)
from workflows.local.gitlab_server.state.pipeline_json import (
    commit_status_json,
    job_json,
    pipeline_details_json,
    pipeline_json,
)

if TYPE_CHECKING:
    from workflows.local.gitlab_server.http.api_call import ApiCall
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, Project, User

ROUTES = Routes()
_STATUSES = ("pending", "running", "success", "failed", "canceled", "skipped")


def create_pipeline(  # noqa: PLR0913 - what a pipeline is made of
    lab: GitLabState,
    project: Project,
    ref: str,
    sha: str,
    user: User,
    *,
    source: str = "push",
    status: str = "pending",
) -> Pipeline:
    """Make a pipeline without jobs; `status` holds until it has some."""
    now = lab.now()
    pipeline = Pipeline(
        id=lab.next_id("pipeline"),
        iid=len(project.pipelines) + 1,
        project=project,
        ref=ref,
        sha=sha,
        user=user,
        created_at=now,
        updated_at=now,
        source=source,
        status=status,
    )
    project.pipelines[pipeline.id] = pipeline
    webhooks.fire_pipeline_event(lab, pipeline, status_of(pipeline))
    return pipeline


def add_pipeline_job(  # noqa: PLR0913 - what a job is made of
    lab: GitLabState,
    pipeline: Pipeline,
    name: str,
    status: str = "success",
    *,
    trace: bytes | str = b"",
    failure_reason: str | None = None,
    **more: Any,
) -> PipelineJob:
    """Add a job with its log; `more` are fields such as `stage` and `allow_failure`."""
    if status == "failed" and failure_reason is None:
        failure_reason = "script_failure"
    job = PipelineJob(
        id=lab.next_id("job"),
        name=name,
        status=status,
        created_at=lab.now(),
        trace=trace.encode() if isinstance(trace, str) else trace,
        failure_reason=failure_reason,
        **more,
    )
    pipeline.jobs.append(job)
    pipeline_changed(lab, pipeline)
    return job


def pipeline_changed(lab: GitLabState, pipeline: Pipeline) -> None:
    """Queue the event of a changed pipeline; a success merges what waits for it (auto-merge)."""
    pipeline.updated_at = lab.now()
    status = status_of(pipeline)
    webhooks.fire_pipeline_event(lab, pipeline, status)
    for request in list(pipeline.project.merge_requests.values()):
        waiting = request.auto_merge and request.state == "opened" and request.merge_user
        if waiting and merging.head_pipeline(request) is pipeline and status == "success":
            actor = request.merge_user or request.author
            merging.check_may_merge(lab, request, actor, None)
            merging.merge(
                lab,
                request,
                actor,
                squash=request.squash,
                remove_source_branch=bool(request.remove_source_branch),
            )


def check_ci_file(project: Project, sha: str | None) -> None:
    """Refuse (400) a pipeline of a commit without `.gitlab-ci.yml`."""
    if sha is None:
        raise GitLabApiError(400, {"message": {"base": ["Reference not found"]}})
    if project.repository.entry(sha, ".gitlab-ci.yml") is None:
        text = "Pipeline will not run for the selected trigger. The CI config file is missing."
        raise GitLabApiError(400, {"message": {"base": [text]}})


# --- endpoints -------------------------------------------------------------------------------


def _pipeline(call: ApiCall, project: Project) -> Pipeline:
    found = project.pipelines.get(call.iid("pipeline_id"))
    if found is None:
        raise not_found()
    return found


def _wanted_statuses(call: ApiCall) -> list[tuple[str | None, ...]]:
    """The statuses that each filter of the query lets through."""
    wanted: list[tuple[str | None, ...]] = []
    if call.has("status"):
        wanted.append((call.text("status"),))
    scope = call.text("scope")
    if scope == "finished":
        wanted.append(FINISHED)
    elif scope in {"running", "pending"}:
        wanted.append((scope,))
    return wanted


@ROUTES.get("projects/:id/pipelines")
def _list(call: ApiCall) -> Response:
    project = call.code()
    found = list(project.pipelines.values())
    for name in ("sha", "ref", "source"):
        if call.has(name):
            found = [p for p in found if getattr(p, name) == call.text(name)]
    wanted = _wanted_statuses(call)
    found = [p for p in found if all(status_of(p) in statuses for statuses in wanted)]
    call.choice("order_by", ("id", "status", "ref", "updated_at", "user_id"), "id")
    if call.choice("sort", ("asc", "desc"), "desc") == "desc":
        found.reverse()
    return paginate(call, found, lambda p: pipeline_json(call.lab, p))


@ROUTES.get("projects/:id/pipelines/:pipeline_id")
def _get(call: ApiCall) -> Json:
    return pipeline_details_json(call.lab, _pipeline(call, call.code()))


@ROUTES.get("projects/:id/pipelines/:pipeline_id/jobs")
def _jobs(call: ApiCall) -> Response:
    pipeline = _pipeline(call, call.code())
    wanted = call.words("scope")
    retried = call.flag("include_retried")
    found = [
        job
        for job in reversed(pipeline.jobs)
        if (not wanted or job.status in wanted)
        and (retried or not job.retried)
        and not job.external
    ]
    return paginate(call, found, lambda job: job_json(call.lab, pipeline, job), key=lambda j: j.id)


@ROUTES.post("projects/:id/pipelines/:pipeline_id/retry")
def _retry(call: ApiCall) -> Json:
    project = call.code()
    pipeline = _pipeline(call, project)
    call.need(project, DEVELOPER)
    again = [j for j in pipeline.jobs if j.status in {"failed", "canceled"} and not j.retried]
    for job in again:
        job.retried = True
        add_pipeline_job(
            call.lab,
            pipeline,
            job.name,
            "pending",
            stage=job.stage,
            allow_failure=job.allow_failure,
        )
    return pipeline_details_json(call.lab, pipeline)


@ROUTES.post("projects/:id/pipelines/:pipeline_id/cancel", 200)
def _cancel(call: ApiCall) -> Json:
    project = call.code()
    pipeline = _pipeline(call, project)
    call.need(project, DEVELOPER)
    for job in pipeline.jobs:
        if job.status not in FINISHED:
            job.status = "canceled"
    if status_of(pipeline) not in FINISHED:
        pipeline.status = "canceled"
    pipeline_changed(call.lab, pipeline)
    return pipeline_details_json(call.lab, pipeline)


@ROUTES.post("projects/:id/pipeline")
def _run(call: ApiCall) -> Json:
    project = call.code()
    ref = call.required("ref")
    call.need(project, DEVELOPER)
    sha = project.repository.resolve(ref)
    check_ci_file(project, sha)
    return pipeline_details_json(
        call.lab, create_pipeline(call.lab, project, ref, sha or "", call.user, source="api")
    )


def _job(call: ApiCall, project: Project) -> tuple[Pipeline, PipelineJob]:
    number = call.iid("job_id")
    for pipeline in project.pipelines.values():
        for job in pipeline.jobs:
            if job.id == number and not job.external:
                return pipeline, job
    raise not_found()


@ROUTES.get("projects/:id/jobs/:job_id")
def _get_job(call: ApiCall) -> Json:
    return job_json(call.lab, *_job(call, call.code()))


@ROUTES.get("projects/:id/jobs/:job_id/trace")
def _trace(call: ApiCall) -> Response:
    _, job = _job(call, call.code())
    return Response(job.trace, media_type="text/plain")


# --- commit statuses -------------------------------------------------------------------------


@ROUTES.post("projects/:id/statuses/:sha")
def _set_status(call: ApiCall) -> Json:
    project = call.code()
    call.require("state")
    state = call.choice("state", _STATUSES, "pending")
    call.need(project, DEVELOPER)
    sha = project.repository.resolve(call.path["sha"])
    if sha is None or len(call.path["sha"]) != len(sha):
        raise not_found("Commit")
    name = call.text("name") or call.text("context") or "default"
    pipeline = _external(call, project, sha)
    job = next((one for one in pipeline.jobs if one.name == name), None)
    if job is None:
        job = PipelineJob(
            id=call.lab.next_id("job"),
            name=name,
            status=state,
            created_at=call.lab.now(),
            stage="external",
            external=True,
        )
        pipeline.jobs.append(job)
    elif job.status == state:
        raise bad_request(f"Cannot transition status via :{state} from :{state}")
    job.status = state
    job.target_url = call.text("target_url", job.target_url)
    job.description = call.text("description", job.description)
    pipeline_changed(call.lab, pipeline)
    return commit_status_json(call.lab, pipeline, job)


def _external(call: ApiCall, project: Project, sha: str) -> Pipeline:
    """The pipeline that a status belongs to; the first one of a commit makes it."""
    number = call.number("pipeline_id")
    if number is not None:
        found = project.pipelines.get(number)
        if found is None or found.sha != sha:
            raise not_found("Pipeline")
        return found
    refs = project.repository.containing(sha)
    ref = call.text("ref") or next(iter(refs), project.default_branch)
    if "\n" in ref:
        raise invalid_parameter("ref is invalid")
    for pipeline in reversed(project.pipelines.values()):
        if pipeline.sha == sha and pipeline.ref == ref:
            return pipeline
    return create_pipeline(call.lab, project, ref, sha, call.user, source="external")


@ROUTES.get("projects/:id/repository/commits/:sha/statuses")
def _statuses(call: ApiCall) -> Response:
    project = call.code()
    sha = project.repository.resolve(call.path["sha"])
    found = [(p, job) for p in project.pipelines.values() if p.sha == sha for job in p.jobs]
    return paginate(call, found, lambda pair: commit_status_json(call.lab, *pair))
