"""`workflows task-runner serve`: its flags, and the server in the foreground until Ctrl-C."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli import output
from workflows.cli.task_runner_backends import BACKENDS, backend_flag_names
from workflows.core.config import environment
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid

if TYPE_CHECKING:
    import argparse

    from workflows.task_runner.auth import TokenCheck

_PORT = 8080


def add_task_runner_flags(parser: argparse.ArgumentParser) -> None:
    """The flags. One that is for another backend than the chosen one is refused, not ignored."""
    add = parser.add_argument
    add(
        "--backend",
        choices=tuple(BACKENDS),
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
    for name, backend in BACKENDS.items():
        backend.add_flags(parser.add_argument_group(name))


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
        command = BACKENDS[found.backend]
        backend = command.build(found, folder)
        keeps = found.folder and command.keeps_jobs
        runner = TaskRunner(backend, check=check, journal=folder / "jobs.jsonl" if keeps else None)
        base_url = servers.start_server(stack, runner.serve(port, host=host), port)
        if check is None and not host.startswith("127."):
            output.say_error("warning: no token is asked for, and other machines can reach this")
        return servers.wait_for_signal(
            f"{base_url}   ({found.backend}; {base_url}/docs explains it; Ctrl-C ends it)"
        )


def _refuse_other_flags(found: argparse.Namespace) -> None:
    """Refuse a flag that is for another backend."""
    for backend in BACKENDS:
        given = [name for name in backend_flag_names(backend) if getattr(found, name) is not None]
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
