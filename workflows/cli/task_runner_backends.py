"""The backends of `workflows task-runner serve`: their flags, and how each is made of them.

`BACKENDS` is the one place that names them all.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core.config import environment
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workflows.core.google.cloud_run import CloudRunApi
    from workflows.task_runner.backends.backend import JobBackend

    Flags = argparse._ActionsContainer  # noqa: SLF001 - what a parser and a group have in common

_RATES = ("failure", "error", "drop", "lost")
_HELP = {
    "failure": "Share of jobs that fail, from 0 to 1.",
    "error": "Share of requests that are answered with 500.",
    "drop": "Share of requests that are cut off and not carried out.",
    "lost": "Share of requests that are carried out and whose answer is cut off.",
}


@dataclass(frozen=True)
class BackendCommand:
    """A backend on the command line.

    `build` makes it of the parsed flags and the folder of its jobs. `keeps_jobs`: its jobs are
    known again after a restart with the same `--folder`. A flag that is not given is None.
    """

    add_flags: Callable[[Flags], None]
    build: Callable[[argparse.Namespace, Path], JobBackend]
    keeps_jobs: bool


def backend_flag_names(backend: str) -> Iterable[str]:
    """The flags of one backend, as attributes of the parsed flags."""
    parser = argparse.ArgumentParser(add_help=False)
    BACKENDS[backend].add_flags(parser)
    return vars(parser.parse_args([]))


def _add_mock_flags(mock: Flags) -> None:
    mock.add_argument(
        "--mock", metavar="F", help="YAML or JSON file with these values; the flags win over it."
    )
    mock.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="Seed of the random choices: the same seed, the same choices.",
    )
    mock.add_argument(
        "--duration",
        metavar="S",
        help="How long a job takes, in seconds; MEDIAN:SIGMA is log-normal.",
    )
    for rate in _RATES:
        mock.add_argument(f"--{rate}-rate", type=float, metavar="P", help=_HELP[rate])
    mock.add_argument(
        "--latency", type=float, metavar="S", help="Wait before each answer, in seconds."
    )


def _build_mock(found: argparse.Namespace, _: Path) -> JobBackend:
    from workflows.task_runner import Mock, MockPlan

    flags = {name: getattr(found, name) for name in backend_flag_names("mock") if name != "mock"}
    return Mock(MockPlan.read(Path(found.mock) if found.mock else None, **flags))


def _add_process_flags(process: Flags) -> None:
    process.add_argument(
        "--images", metavar="F", help="File that maps images to commands (default: the demo's)."
    )
    process.add_argument(
        "--workers", type=int, metavar="N", help="Most jobs at one time (default: 8)."
    )


def _build_process(found: argparse.Namespace, folder: Path) -> JobBackend:
    from workflows.task_runner import ImageMap, Processes

    images = ImageMap.read(Path(found.images or "demo"))
    workers = 8 if found.workers is None else found.workers
    if workers < 1:
        raise CommandLineInvalid("--workers must be at least 1")
    return Processes(images, folder, workers=workers)


def _add_cloud_run_flags(cloud: Flags) -> None:
    cloud.add_argument(
        "--project", metavar="ID", help="Project of the jobs (default: GOOGLE_CLOUD_PROJECT)."
    )
    cloud.add_argument("--region", metavar="R", help="Region of the jobs (default: us-central1).")
    cloud.add_argument("--service-account", metavar="MAIL", help="Account that the jobs run as.")
    cloud.add_argument(
        "--job-timeout",
        type=float,
        metavar="S",
        help="Longest time of a job, in seconds (default: 3600).",
    )
    cloud.add_argument(
        "--poll-interval",
        type=float,
        metavar="S",
        help="Time between two polls of a job, in seconds (default: 2).",
    )
    cloud.add_argument(
        "--cloud-run-endpoint",
        metavar="URL",
        help="Another address of Cloud Run's API, such as a stand-in's on this machine.",
    )


def _build_cloud_run(found: argparse.Namespace, _: Path) -> JobBackend:
    from workflows.task_runner.backends import cloud_run

    if any(value is not None and value <= 0 for value in (found.job_timeout, found.poll_interval)):
        raise CommandLineInvalid("--job-timeout and --poll-interval must be more than 0")
    api = _cloud_run_api(found)
    options = cloud_run.CloudRunOptions(
        service_account=found.service_account or "",
        timeout_s=found.job_timeout or cloud_run.CloudRunOptions.timeout_s,
        poll_s=found.poll_interval or cloud_run.CloudRunOptions.poll_s,
    )
    return cloud_run.CloudRunJobs(api, options)


def _cloud_run_api(found: argparse.Namespace) -> CloudRunApi:
    from workflows.core.google import cloud_run as core_api

    project = found.project or environment.variable("GOOGLE_CLOUD_PROJECT")
    if not project:
        raise CommandLineInvalid("which project?", fix="add --project ID")
    region, endpoint = found.region or "us-central1", found.cloud_run_endpoint
    try:
        return core_api.connect_cloud_run(
            project, region, endpoint, local_token=load().cloud_run_token
        )
    except SettingsInvalid as error:
        raise CommandLineInvalid(error.what, fix=error.fix) from None


BACKENDS = {
    "mock": BackendCommand(_add_mock_flags, _build_mock, keeps_jobs=False),
    "process": BackendCommand(_add_process_flags, _build_process, keeps_jobs=True),
    "cloud-run": BackendCommand(_add_cloud_run_flags, _build_cloud_run, keeps_jobs=True),
}
