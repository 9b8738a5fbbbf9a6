"""run_dag: a workflow file of container tasks and flows, run step by step on a Task Runner.

Running it again with the same `run_id` and `resume` goes on where the last attempt stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.flow import Flow, Run
from workflows.core.observability import logger
from workflows.core.parameters import parameters_model, values_of
from workflows.core.prefect import orchestration
from workflows.dag import run
from workflows.dag.options import DagRunOptions, dag_params
from workflows.dag.show import report
from workflows.dag.show.progress import ProgressLines
from workflows.tasks import utility

if TYPE_CHECKING:
    from workflows.core.parameters import FlowParameters

_log = logger("dag")


Parameters = parameters_model(DagRunOptions, __name__)
"""What run_dag is started with: the options of a DAG run."""


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


def body(parameters: FlowParameters, run_: Run) -> Result:
    """Read the file, then run every step of it.

    Raises:
        DagInvalid: the file has mistakes; nothing was submitted.
        StepsFailed: with the names of the steps.
        WorkflowsError: the run had to stop; it can be resumed.
    """
    options = values_of(parameters, DagRunOptions)
    options = options.changed(run_id=options.run_id or run_.run_id)
    dag = run.load_runnable_dag(options.dag_path, dag_params(options.param), run_.settings)
    with run_.progress(dag.name, len(dag.steps)) as show:
        display = ProgressLines(lambda text: _log.info("%s", text), show)
        one = run.DagRun(dag, options, run_.settings, display)
        summary = one.carry_out()
        if options.report and one.state is not None:
            page = report.report_page(one.state, summary)
            Path(options.report).write_text(page, encoding="utf-8")
        show(summary.steps, summary.table(), report.report_markdown(summary))
    if not summary.succeeded:
        raise summary.error()
    return Result(
        summary.run_id,
        summary.steps,
        summary.counts.get("succeeded", 0),
        summary.duration_s,
        summary.critical_path_s,
        options.report,
    )


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
