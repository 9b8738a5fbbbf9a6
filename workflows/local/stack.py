"""The whole embedded stack: what production has in the cloud, as servers on 127.0.0.1.

GitLab, Pub/Sub, the two functions, Cloud Run, a Task Runner, a recorded model and, if asked for, a
Prefect server, wired as Terraform wires the real ones: a label on an issue becomes a merge request.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.core import process
from workflows.core.config import environment
from workflows.core.prefect.server import BATCH_SETTINGS
from workflows.functions import staging
from workflows.local import pubsub
from workflows.local.cloud_run import CloudRunServer
from workflows.local.gitlab_server import demo
from workflows.local.gitlab_server.server import GitLabServer
from workflows.local.gitlab_server.state.model import DEVELOPER, Hook
from workflows.local.model_server import DEMO_RECORDINGS, RecordedModel
from workflows.servers.serving import free_port, is_listening
from workflows.task_runner import ImageMap, Processes, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_START_S = 120
_CLOUD = "projects/demo-project"
TOPIC = f"{_CLOUD}/topics/workflows"
DEAD_TOPIC = f"{_CLOUD}/topics/workflows-dead-letter"
_PUSH = f"{_CLOUD}/subscriptions/workflows-push"
_DEAD = f"{_CLOUD}/subscriptions/workflows-dead-letter"
_BOT = "workflows-bot"
_CHECK = "python3 -m unittest"


@dataclass(frozen=True, slots=True)
class StackPart:
    """One server: its name, its URL, and a hint on how to use it."""

    name: str
    url: str
    hint: str = ""


@dataclass(slots=True)
class Stack:
    """A running stack. Clients and `workflows` need `variables` in their environment to use it."""

    folder: Path
    cloud_run: CloudRunServer
    parts: list[StackPart] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Folder with a log file for each process."""
        return self.folder / "logs"

    def add(self, name: str, url: str, hint: str = "") -> None:
        """Add a server to the list of parts."""
        self.parts.append(StackPart(name, url, hint))


@contextmanager
def running_stack(folder: Path, flows: Sequence[str], *, prefect: bool = False) -> Iterator[Stack]:
    """Start every part, with a Cloud Run job for each flow; all of them end with the block.

    Their files and logs are below `folder`.

    Raises:
        RuntimeError: a part did not start; its log says why.
    """
    cloud = CloudRunServer(folder / "cloud-run")
    up = Stack(folder, cloud)
    up.logs.mkdir(parents=True)
    with ExitStack() as opened:
        staged = folder / "functions"
        staging.stage(staged)
        model_url = opened.enter_context(RecordedModel(DEMO_RECORDINGS).serve()) + "/v1"
        gitlab, bot_token, hook = _gitlab(opened, up)
        cloud_url = opened.enter_context(cloud.serve())
        env = {
            "GITLAB_URL": gitlab.url,
            "GITLAB_TOKEN": bot_token,
            "OPENAI_BASE_URL": model_url,
            "OPENAI_API_KEY": "sk-not-needed-by-a-recording",
        }
        if prefect:
            env["PREFECT_API_URL"] = _prefect(opened, up)
        catalog = _catalog(flows, cloud_url)
        for flow in flows:
            own = {"WORKFLOW_NAME": flow}
            if flow == "run_dag":
                own |= catalog | {"WORKFLOWS_FLOW_STEPS": "cloud"}
            if flow == "resolve_issue":
                own["WORKFLOW_PARAMETERS"] = json.dumps({"check_command": _CHECK})
            cloud.add_job(_job(flow), env=env | own, max_retries=0, timeout_s=3600)
        queue_url = _pubsub(opened, up)
        _functions(opened, up, staged, catalog, queue_url, hook)
        runner = TaskRunner(Processes(ImageMap.read(Path("demo")), folder / "tasks"))
        up.add(
            "Task Runner", opened.enter_context(runner.serve()), "workflows dag run --tr-hostname"
        )
        up.add("Cloud Run", f"{cloud_url}/v2/{cloud.parent}/jobs", "one job for each flow")
        up.add("model", model_url, "plays recorded answers")
        up.variables |= env | {
            "PUBSUB_EMULATOR_HOST": queue_url.removeprefix("http://"),
            "WORKFLOWS_TOPIC": TOPIC,
        }
        yield up


def _gitlab(opened: ExitStack, up: Stack) -> tuple[GitLabServer, str, Hook]:
    """The demo project with a bot and a signed webhook; the webhook has no URL yet."""
    lab = GitLabServer(up.folder / "gitlab")
    made = demo.fill(lab)
    bot = lab.create_user(_BOT)
    lab.add_member(made.project, bot, DEVELOPER)
    token = lab.create_token(bot, ["api"])
    url = opened.enter_context(lab.serve())
    hook = Hook(id=1, url="", created_at=lab.now(), events={"issues_events", "note_events"})
    hook.signing_token = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    up.variables |= {"GITLAB_BOT_ID": str(bot.id), "GITLAB_PROJECT": made.project.path}
    up.add("GitLab", f"{url}/{made.project.path}", "label an issue workflows::resolve")
    made.project.hooks[1] = hook
    return lab, token, hook


def _pubsub(opened: ExitStack, up: Stack) -> str:
    server = pubsub.PubSub(up.logs)
    url = opened.enter_context(server.serve())
    for topic in (TOPIC, DEAD_TOPIC):
        pubsub.create_topic(url, topic)
    pubsub.create_pull_subscription(url, _DEAD, DEAD_TOPIC)
    up.add("Pub/Sub", url, f"the {server.kind}; workflows local publish")
    return url


def _catalog(flows: Sequence[str], cloud_url: str) -> dict[str, str]:
    """The variables by which a flow's job is found, for the functions and for `run_dag`."""
    return {
        "WORKFLOW_JOBS": json.dumps({flow: _job(flow) for flow in flows}),
        "WORKFLOWS_PROJECT": "demo-project",
        "WORKFLOWS_REGION": "us-central1",
        "CLOUD_RUN_API": cloud_url,
    }


def _functions(  # noqa: PLR0913, PLR0917 - one argument for each part that it connects
    opened: ExitStack,
    up: Stack,
    staged: Path,
    catalog: Mapping[str, str],
    queue_url: str,
    hook: Hook,
) -> None:
    """Both functions, the push subscription to one, and GitLab's webhook to the other."""
    env = {
        **catalog,
        "WORKFLOWS_TOPIC": TOPIC,
        "WORKFLOWS_DEAD_LETTER_TOPIC": DEAD_TOPIC,
        "PUBSUB_EMULATOR_HOST": queue_url.removeprefix("http://"),
        "GITLAB_WEBHOOK_SECRET": hook.signing_token or "",
        "GITLAB_BOT_ID": up.variables["GITLAB_BOT_ID"],
        "GITLAB_BOT_USERNAME": _BOT,
    }
    for name, target in (("workflow_trigger", "trigger"), ("gitlab_webhook", "gitlab_webhook")):
        url = _function(opened, up, staged / name, target, env)
        up.add(name, url)
        if name == "workflow_trigger":
            pubsub.create_push_subscription(
                *(queue_url, _PUSH, TOPIC, url), dead_letter_topic=DEAD_TOPIC, backoff_s=(1, 60)
            )
        else:
            hook.url = url


def _function(
    opened: ExitStack, up: Stack, folder: Path, target: str, env: Mapping[str, str]
) -> str:
    port = free_port()
    args = [sys.executable, "-m", "functions_framework", "--target", target]
    args += ["--host", "127.0.0.1", "--port", str(port)]
    whole = environment.for_child({"HOME": str(up.folder), "NO_PROXY": "*", **env}.items())
    _start(opened, up, folder.name, args, whole, port, cwd=folder)
    return f"http://127.0.0.1:{port}"


def _prefect(opened: ExitStack, up: Stack) -> str:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = environment.whole() | BATCH_SETTINGS | {"PREFECT_HOME": str(up.folder / "prefect")}
    env |= {"PREFECT_API_URL": api, "PREFECT_UI_API_URL": api}
    args = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    _start(opened, up, "prefect", [*args, "--port", str(port)], env, port)
    up.add("Prefect", f"http://127.0.0.1:{port}", "runs, steps, logs")
    return api


def _start(  # noqa: PLR0913, PLR0917 - what a process needs
    opened: ExitStack,
    up: Stack,
    name: str,
    args: Sequence[str],
    env: Mapping[str, str],
    port: int,
    cwd: Path | None = None,
) -> None:
    """Start a child process and return when it listens at its port."""
    log = up.logs / f"{name}.log"
    child = opened.enter_context(process.background(args, env=env, cwd=cwd, log=log))
    deadline = time.monotonic() + _START_S
    while not is_listening(port):
        if child.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
            raise RuntimeError(f"{name} did not start:\n{said}")
        time.sleep(0.05)


def _job(flow: str) -> str:
    return f"workflows-{flow.replace('_', '-')}"
