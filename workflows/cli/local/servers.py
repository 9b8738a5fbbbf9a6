"""`workflows local …`: parts of the embedded stack in the foreground, until Ctrl-C."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli import output
from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid, Terminated
from workflows.core.prefect.server import BATCH_SETTINGS
from workflows.local.git_server.http import Account, GitServer
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from workflows.local.model_server import Upstream

PROJECT = "acme/shop"
_TOPIC = "projects/local/topics/workflows"
_OPENAI = "https://api.openai.com/v1"


def serve_git(*, port: int, root: str | None, token: str) -> int:
    """Serve `acme/shop` over HTTP with one Maintainer's token, until SIGINT or SIGTERM.

    With `root` the repositories stay in that folder and are found again at the next start.

    Raises:
        CommandLineInvalid: the port is taken.
    """
    with ExitStack() as stack:
        folder = Path(root) if root else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = GitServer(folder, [Account("maintainer", token)])
        server.create_repository(PROJECT)
        base_url = start_server(stack, serve_app(server.app, port=port), port)
        return wait_for_signal(f"{base_url}/{PROJECT}.git   (GIT_TOKEN={token}, Ctrl-C ends it)")


def serve_gitlab(*, port: int, env_file: str | None) -> int:
    """Serve a GitLab with a demo project until SIGINT or SIGTERM; its state is gone after that.

    `env_file` is written with mode 0600 once the server answers, as a whole or not at all.

    Raises:
        CommandLineInvalid: the port is taken, or the file cannot be written.
    """
    from workflows.local.gitlab_server import demo
    from workflows.local.gitlab_server.server import GitLabServer

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workflows-gitlab-"))
        server = GitLabServer(Path(folder))
        made = demo.fill(server)
        base_url = start_server(stack, server.serve(port), port)
        text = "".join(f"{name}={value}\n" for name, value in made.variables(base_url).items())
        if env_file:
            _write_private(Path(env_file), text)
        return wait_for_signal(f"{text}{base_url} shows it to a browser; Ctrl-C ends it")


def serve_model(*, port: int, recordings: str | None, record: bool, upstream: str | None) -> int:
    """Play recorded answers of a model until SIGINT or SIGTERM.

    With `record` prompts without an answer go to `upstream` (else OPENAI_BASE_URL, else OpenAI)
    with OPENAI_API_KEY, and what comes back is kept in the folder `recordings`.

    Raises:
        CommandLineInvalid: the port is taken; `record` without a folder or a key; `upstream`
            without `record`; a file in the folder that is no recording.
    """
    from workflows.local.model_server import (
        DEMO_RECORDINGS,
        RecordedModel,
        RecordingInvalid,
    )

    if upstream and not record:
        raise CommandLineInvalid("--upstream is for --record", fix="add --record, or leave it out")
    if record and not recordings:
        raise CommandLineInvalid("--record needs a folder", fix="add --recordings DIR")
    folder = Path(recordings) if recordings else DEMO_RECORDINGS
    try:
        played = RecordedModel(folder, upstream=_upstream(upstream) if record else None)
    except RecordingInvalid as error:
        raise CommandLineInvalid(
            f"{folder} holds a file that is no recording", why=str(error)
        ) from None
    with ExitStack() as stack:
        base_url = start_server(stack, played.serve(port), port)
        return wait_for_signal(
            f"export OPENAI_BASE_URL={base_url}/v1 OPENAI_API_KEY=recorded\n"
            f"It plays {folder}{' and records there' if record else ''}; Ctrl-C ends it"
        )


def serve_pubsub(*, port: int, kind: str) -> int:
    """Run a Pub/Sub with the topic `workflows` until SIGINT or SIGTERM; it keeps nothing.

    Raises:
        CommandLineInvalid: the port is taken.
        ProgramMissing: the emulator is asked for and not installed.
    """
    from workflows.local import pubsub as local

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workflows-pubsub-"))
        server = local.PubSub(Path(folder), kind=local.PubSubKind(kind))
        base_url = start_server(stack, server.serve(port), port)
        local.create_topic(base_url, _TOPIC)
        host = base_url.removeprefix("http://")
        return wait_for_signal(
            f"export PUBSUB_EMULATOR_HOST={host} WORKFLOWS_TOPIC={_TOPIC}\n"
            f"This is the {server.kind}; Ctrl-C ends it"
        )


def _upstream(url: str | None) -> Upstream:
    from workflows.local.model_server import Upstream

    settings = load()
    if settings.openai_api_key is None:
        raise CommandLineInvalid("--record needs a key", fix="set OPENAI_API_KEY")
    chosen = url or settings.openai_base_url or _OPENAI
    if not chosen.startswith(("http://", "https://")):
        raise CommandLineInvalid(f"{chosen!r} is no address", fix="begin it with https://")
    return Upstream(chosen, settings.openai_api_key.get_secret_value())


def start_server(stack: ExitStack, serving: AbstractContextManager[str], port: int) -> str:
    """Start a server until `stack` closes, and return its address.

    Raises:
        CommandLineInvalid: the port is taken.
    """
    try:
        return stack.enter_context(serving)
    except OSError as error:
        raise CommandLineInvalid(
            f"port {port} cannot be used", why=str(error), fix="choose another --port"
        ) from error


def wait_for_signal(text: str) -> int:
    """Print `text`, then wait for SIGINT or SIGTERM."""
    output.say(text)
    try:
        while True:
            signal.pause()  # it returns after any other signal, too
    except Terminated:
        return 0


def _write_private(target: Path, text: str) -> None:
    """Replace the file by one with `text`, at once, readable by its owner only."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with open(number, "w", encoding="utf-8") as scratch:  # noqa: PTH123 - mkstemp opened it
            scratch.write(text)
        Path(name).replace(target)
    except OSError as error:
        raise CommandLineInvalid(
            f"{target} cannot be written", why=str(error), fix="choose another --env-file"
        ) from error


def serve_cloud_run(*, port: int, images: list[str]) -> int:
    """Serve Cloud Run's API for jobs until SIGINT or SIGTERM; then running executions are stopped.

    An image without a command of its own is `python -m workflows`.

    Raises:
        CommandLineInvalid: the port is taken, or an image is no `IMAGE=COMMAND`.
    """
    from workflows.local.cloud_run import CloudRunServer

    commands = {}
    for text in images:
        image, _, command = text.partition("=")
        commands[image] = shlex.split(command)
        if not image or not commands[image]:
            raise CommandLineInvalid(f"--image {text!r}", fix="write it as IMAGE=COMMAND")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workflows-cloud-run-"))
        cloud = CloudRunServer(Path(folder), images=commands)
        base_url = start_server(stack, cloud.serve(port), port)
        return wait_for_signal(f"{base_url}/v2/{cloud.parent}/jobs   (Ctrl-C ends it)")


def serve_prefect(*, port: int) -> int:
    """Replace this process by a Prefect server on 127.0.0.1 that batches its writes.

    Does not return. Without `PREFECT_UI_API_URL` the server's UI would ask port 4200, whatever the
    server's port.
    """
    api = f"http://127.0.0.1:{port}/api"
    output.say(f"Prefect UI:  http://127.0.0.1:{port}")
    output.say(f"to see runs: export PREFECT_API_URL={api}")
    env = environment.whole() | BATCH_SETTINGS
    env |= {"PREFECT_API_URL": api, "PREFECT_UI_API_URL": api}
    args = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1")
    process.replace_self([*args, "--port", str(port)], env=env)
    return 0
