"""The JSON of pipelines, jobs and commit statuses in API bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.local.gitlab_server.state.api_json import commit_json, project_url, user_json
from workflows.local.gitlab_server.state.model import FINISHED, iso, status_of
from workflows.local.gitlab_server.state.repository import ZEROS

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Json, Pipeline, PipelineJob


def pipeline_json(lab: GitLabState, one: Pipeline) -> Json:
    """A pipeline as it stands in lists."""
    return {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.project.id,
        "sha": one.sha,
        "ref": one.ref,
        "status": status_of(one),
        "source": one.source,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "web_url": f"{project_url(lab, one.project)}/-/pipelines/{one.id}",
        "name": None,
    }


def pipeline_details_json(lab: GitLabState, one: Pipeline) -> Json:
    """A pipeline by itself."""
    status = status_of(one)
    over = status in FINISHED
    label = "passed" if status == "success" else status
    return pipeline_json(lab, one) | {
        "before_sha": ZEROS,
        "tag": False,
        "yaml_errors": one.yaml_errors,
        "user": user_json(lab, one.user),
        "started_at": iso(one.created_at),
        "finished_at": iso(one.updated_at) if over else None,
        "committed_at": None,
        "duration": sum(job.duration_s or 0 for job in one.jobs) if over else None,
        "queued_duration": None,
        "coverage": None,
        "detailed_status": {
            "icon": f"status_{status}",
            "text": label.capitalize(),
            "label": label,
            "group": status,
            "details_path": f"/{one.project.path}/-/pipelines/{one.id}",
        },
    }


def job_json(lab: GitLabState, pipeline: Pipeline, one: PipelineJob) -> Json:
    """A job."""
    started = one.status not in {"created", "pending", "manual"}
    found = {
        "id": one.id,
        "name": one.name,
        "stage": one.stage,
        "status": one.status,
        "ref": pipeline.ref,
        "tag": False,
        "coverage": None,
        "allow_failure": one.allow_failure,
        "created_at": iso(one.created_at),
        "started_at": iso(one.created_at) if started else None,
        "finished_at": iso(pipeline.updated_at) if one.status in FINISHED else None,
        "duration": one.duration_s,
        "queued_duration": 0.0,
        "user": user_json(lab, pipeline.user),
        "commit": commit_json(
            lab, pipeline.project, pipeline.project.repository.commit(pipeline.sha)
        ),
        "pipeline": {
            "id": pipeline.id,
            "iid": pipeline.iid,
            "project_id": pipeline.project.id,
            "ref": pipeline.ref,
            "sha": pipeline.sha,
            "status": status_of(pipeline),
        },
        "web_url": f"{project_url(lab, pipeline.project)}/-/jobs/{one.id}",
        "artifacts": [],
        "runner": None,
        "tag_list": [],
    }
    return found | ({"failure_reason": one.failure_reason} if one.failure_reason else {})


def commit_status_json(lab: GitLabState, pipeline: Pipeline, job: PipelineJob) -> Json:
    """An external status."""
    return {
        "id": job.id,
        "sha": pipeline.sha,
        "ref": pipeline.ref,
        "status": job.status,
        "name": job.name,
        "target_url": job.target_url,
        "description": job.description,
        "created_at": iso(job.created_at),
        "started_at": None,
        "finished_at": iso(pipeline.updated_at) if job.status in FINISHED else None,
        "allow_failure": False,
        "coverage": None,
        "pipeline_id": pipeline.id,
        "author": user_json(lab, pipeline.user),
    }
