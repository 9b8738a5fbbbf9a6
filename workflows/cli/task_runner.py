"""`workflows task-runner serve`: its flags, and the server in the foreground until Ctrl-C."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.cli import output
from workflows.core.config import environment
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid, SettingsInvalid

if TYPE_CHECKING:
    import argparse

    from workflows.core.google.cloud_run import CloudRunApi
    from workflows.task_runner.auth import TokenCheck
    from workflows.task_runner.backends.backend import JobBackend

BACKENDS = ("mock", "process", "cloud-run")
_RATES = ("failure", "error", "drop", "lost")
_PORT = 8080


def add_task_runner_flags(parser: argparse.ArgumentParser) -> None:
    """The flags. One that is for another backend than the chosen one is refused, not ignored."""
    add = parser.add_argument
    add(
        "--backend",
        choices=BACKENDS,
        default="process",
        help="What carries out the jobs (default: process).",
    )
    add(
        "--port",
        type=int,
        metavar="N",
        help="Port to listen on (default: PORT, else 8080); 0 takes a free one.",
    )
    add("--host", help="Address to listen on (default: 127.0.0.1, and 0.0.0.0 where PORT is set).")
    add(
        "--auth-jwt-file",
        metavar="F",
        help="File with the token that callers must send, or the secret that signs their tokens"
        " (HS256); default: TASK_RUNNER_AUTH_JWT.",
    )
    add("--audience", metavar="URL", help="The `aud` that a signed token must have.")
    add(
        "--folder",
        metavar="DIR",
        help="Folder of the logs and of the jobs, for the next start too (default: a new one).",
    )
    _add_mock_flags(parser.add_argument_group("mock"))
    _add_process_flags(parser.add_argument_group("process"))
    _add_cloud_run_flags(parser.add_argument_group("cloud-run"))


def _add_mock_flags(mock: argparse._ArgumentGroup) -> None:
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


def _add_process_flags(process: argparse._ArgumentGroup) -> None:
    process.add_argument(
        "--images", metavar="F", help="File that maps images to commands (default: the demo's)."
    )
    process.add_argument(
        "--workers", type=int, metavar="N", help="Most jobs at one time (default: 8)."
    )


def _add_cloud_run_flags(cloud: argparse._ArgumentGroup) -> None:
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


_HELP = {
    "failure": "Share of jobs that fail, from 0 to 1.",
    "error": "Share of requests that are answered with 500.",
    "drop": "Share of requests that are cut off and not carried out.",
    "lost": "Share of requests that are carried out and whose answer is cut off.",
}
_OF_BACKEND = {
    "mock": ("mock", "seed", "duration", "latency", *(f"{rate}_rate" for rate in _RATES)),
    "process": ("images", "workers"),
    "cloud-run": (
        *("project", "region", "service_account"),
        *("job_timeout", "poll_interval", "cloud_run_endpoint"),
    ),
}


def serve_task_runner(found: argparse.Namespace) -> int:
    """Serve a Task Runner until SIGINT or SIGTERM; then the running jobs are stopped.

    Raises:
        CommandLineInvalid: the port is taken, a flag of another backend, an empty token file.
        ParametersInvalid: the mock's file or the map of images cannot be used.
    """
    from workflows.cli.local import servers
    from workflows.task_runner import TaskRunner

    _refuse_other_flags(found)
    check = _check(found)
    in_container = environment.variable("PORT")
    port = found.port if found.port is not None else _number(in_container)
    host = found.host or ("0.0.0.0" if in_container else "127.0.0.1")  # noqa: S104 - documented
    with ExitStack() as stack:
        folder = Path(found.folder) if found.folder else None
        if folder is None:
            import tempfile

            scratch = tempfile.TemporaryDirectory(prefix="workflows-runner-")
            folder = Path(stack.enter_context(scratch))
        folder.mkdir(parents=True, exist_ok=True)
        backend = _backend(found, folder)
        keeps = found.folder and found.backend != "mock"
        runner = TaskRunner(backend, check=check, journal=folder / "jobs.jsonl" if keeps else None)
        base_url = servers.start_server(stack, runner.serve(port, host=host), port)
        if check is None and not host.startswith("127."):
            output.say_error("warning: no token is asked for, and other machines can reach this")
        return servers.wait_for_signal(
            f"{base_url}   ({found.backend}; {base_url}/docs explains it; Ctrl-C ends it)"
        )


def _refuse_other_flags(found: argparse.Namespace) -> None:
    """Refuse a flag that is for another backend."""
    for backend, names in _OF_BACKEND.items():
        given = [name for name in names if getattr(found, name) is not None]
        if given and backend != found.backend:
            flag = given[0].replace("_", "-")
            raise CommandLineInvalid(f"--{flag} is for --backend {backend}", fix="leave it out")


def _number(text: str | None) -> int:
    try:
        return int(text or _PORT)
    except ValueError:
        raise CommandLineInvalid(f"PORT is {text!r}", fix="make it a number") from None


def _check(found: argparse.Namespace) -> TokenCheck | None:
    from workflows.core.redaction import remember
    from workflows.task_runner.auth import TokenCheck

    if found.auth_jwt_file:
        try:
            secret = Path(found.auth_jwt_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise CommandLineInvalid("--auth-jwt-file cannot be read", why=str(error)) from error
        if not secret:
            raise CommandLineInvalid("the file of --auth-jwt-file is empty")
    else:
        token = load().task_runner_auth_jwt
        if token is None:
            return None
        secret = token.get_secret_value()
    remember([secret])
    return TokenCheck(secret, audience=found.audience or "")


def _backend(found: argparse.Namespace, folder: Path) -> JobBackend:
    if found.backend == "mock":
        from workflows.task_runner import Mock, MockPlan

        flags: dict[str, Any] = {name: getattr(found, name) for name in _OF_BACKEND["mock"][1:]}
        return Mock(MockPlan.read(Path(found.mock) if found.mock else None, **flags))
    if found.backend == "cloud-run":
        return _cloud_run(found)
    from workflows.task_runner import ImageMap, Processes

    images = ImageMap.read(Path(found.images or "demo"))
    workers = 8 if found.workers is None else found.workers
    if workers < 1:
        raise CommandLineInvalid("--workers must be at least 1")
    return Processes(images, folder, workers=workers)


def _cloud_run(found: argparse.Namespace) -> JobBackend:
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
