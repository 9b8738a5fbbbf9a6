"""run_dag: a workflow file of container tasks and flows, run step by step on a Task Runner.

Running it again with the same `run_id` and `resume` goes on where the last attempt stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field, SecretStr

from workflows.core.config import environment
from workflows.core.errors import ParametersInvalid
from workflows.core.flow import Flow, Run
from workflows.core.observability import logger
from workflows.core.parameters import FlowParameters
from workflows.core.prefect import orchestration
from workflows.core.redaction import remember
from workflows.dag import run
from workflows.dag.options import Options
from workflows.dag.show import report
from workflows.dag.show.progress import Lines
from workflows.tasks import utility

if TYPE_CHECKING:
    from workflows.dag.file.model import Dag

_log = logger("dag")


class Parameters(FlowParameters):
    """What run_dag is started with."""

    dag_path: str = Field(  # type: ignore[pydantic-alias]
        validation_alias=AliasChoices("dag_path", "workflow_path"),
        description="The workflow: a YAML or JSON file, or gs://bucket/object.",
    )
    tr_hostname: str = Field(  # type: ignore[pydantic-alias]
        validation_alias=AliasChoices("tr_hostname", "tr_url"),
        description="The Task Runner's address.",
    )
    tr_auth_jwt: SecretStr | None = Field(
        None,
        description="Token for the Task Runner, `none` to send none; not given: TR_AUTH_JWT, else"
        " Google ID tokens for its address.",
    )
    param: tuple[str, ...] = Field((), description="NAME=VALUE for {{ params.NAME }}.")
    run_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,128}$", description="Name of this run."
    )
    resume: bool = Field(default=False, description="Go on with the run of that id.")
    journal: str | None = Field(None, description="Folder, gs://bucket/prefix or `none`.")
    poll_interval: float | None = Field(
        None, ge=0, le=86_400, description="Seconds between first looks at a job."
    )
    max_parallel: int | None = Field(None, ge=1, description="Most jobs at one time.")
    connections: int = Field(64, ge=1, le=1024, description="Most connections to the runner.")
    cancel_on_exit: bool = Field(default=False, description="Cancel running jobs when stopped.")
    lost_answers: str = Field(
        "fail", pattern="^(fail|repeat)$", description="Where nobody can say if a job was made."
    )
    job_names: str = Field("plain", pattern="^(plain|unique)$", description="Names of the jobs.")
    report: str | None = Field(None, description="File for a page about the run, in HTML.")


@dataclass(frozen=True, slots=True)
class Result:
    """How many steps succeeded, and under which id the run can be looked up."""

    run_id: str
    steps: int
    succeeded: int
    duration_s: float
    critical_path_s: float
    report: str | None
    web_url: str | None = None


def body(parameters: Parameters, run_: Run) -> Result:
    """Read the file, then run every step of it.

    Raises:
        DagInvalid: the file has mistakes; nothing was submitted.
        StepsFailed: with the names of the steps.
        WorkflowsError: the run had to stop; it can be resumed.
    """
    token = parameters.tr_auth_jwt.get_secret_value() if parameters.tr_auth_jwt else None
    token = token or environment.variable("TR_AUTH_JWT")
    if token and token.lower() != "none":
        remember([token])
    options = Options(
        runner=parameters.tr_hostname,
        token=token,
        run_id=parameters.run_id or run_.run_id,
        resume=parameters.resume,
        journal=parameters.journal or "",
        poll_interval_s=parameters.poll_interval,
        max_parallel=parameters.max_parallel,
        connections=parameters.connections,
        cancel_on_exit=parameters.cancel_on_exit,
        repeat_lost=parameters.lost_answers == "repeat",
        unique_names=parameters.job_names == "unique",
        retry_delay_s=run_.settings.retry_delay_s,
    )
    dag = run.load_runnable_dag(parameters.dag_path, _params(parameters.param))
    with run_.progress(dag.name, len(dag.steps)) as show:
        display = Lines(lambda text: _log.info("%s", text), show)
        summary = _carry_out(dag, options, display, parameters.report)
        show(summary.steps, summary.table(), report.markdown(summary))
    if not summary.succeeded:
        raise summary.error()
    return Result(
        summary.run_id,
        summary.steps,
        summary.counts.get("succeeded", 0),
        summary.duration_s,
        summary.critical_path_s,
        parameters.report,
    )


def _carry_out(
    dag: Dag, options: Options, display: run.RunDisplay, target: str | None
) -> run.RunSummary:
    one = run.DagRun(dag, options, display)
    summary = one.carry_out()
    if target and one.engine is not None:
        Path(target).write_text(report.page(one.engine, summary), encoding="utf-8")
    return summary


def _params(words: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    wrong = [f"param: {name!r} is not NAME=VALUE" for name, equals, _ in pairs if not equals]
    if wrong:
        raise ParametersInvalid("run_dag cannot start", why="\n".join(wrong))
    return {name: value for name, _, value in pairs}


FLOW = Flow(
    name="run_dag",
    module=__name__,
    summary="Run a workflow file of container tasks on a Task Runner.",
    parameters=Parameters,
    body=body,
    title=lambda parameters: Path(parameters.dag_path).name,
    on_end=utility.notify,
)

__getattr__ = orchestration.module_attribute(FLOW)
