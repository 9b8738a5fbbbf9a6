"""`workflows demo`: an issue becomes a checked merge request on this machine, offline."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli import output
from workflows.cli.local.servers import wait_for_signal
from workflows.core import process
from workflows.core.config import environment

if TYPE_CHECKING:
    from workflows.local.gitlab_server.demo import DemoProject
    from workflows.local.gitlab_server.server import GitLabServer
    from workflows.local.gitlab_server.state.model import MergeRequest

_RUN_TIMEOUT_S = 170
_CHECK = "python3 -m unittest"
_ISSUE = 1


def demo(*, keep: bool = False) -> int:
    """Start a GitLab and a recorded model, resolve an issue with the real PlusCoder, show the end.

    The flow runs as a process of its own, over HTTP, with a token, as it would in production.
    With `keep` the GitLab stays up afterwards, until Ctrl-C.

    Raises:
        ProgramMissing: PlusCoder is not installed; nothing was started.
    """
    from workflows.core.config.settings import load
    from workflows.local.gitlab_server import demo as content
    from workflows.local.gitlab_server.server import GitLabServer
    from workflows.local.model_server import DEMO_RECORDINGS, RecordedModel
    from workflows.tasks.agents.pluscoder.backend import PlusCoder

    pluscoder = PlusCoder(load()).program()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workflows-demo-"))
        server = GitLabServer(Path(folder))
        made = content.fill(server)
        url = stack.enter_context(server.serve())
        model_url = stack.enter_context(RecordedModel(DEMO_RECORDINGS).serve()) + "/v1"
        issue_url = f"{url}/{made.project.path}/-/issues/{_ISSUE}"
        output.say(f"A GitLab with the private project {made.project.path} is at {url}.")
        output.say(f"A recorded model is at {model_url}; PlusCoder takes it for OpenAI's.\n")
        exit_code = _resolve(made, url, model_url, pluscoder)
        if exit_code:
            return exit_code
        _show(server, made, issue_url)
        if keep:
            return wait_for_signal(f"{url} stays up; Ctrl-C ends it")
    return 0


def _resolve(made: DemoProject, url: str, model_url: str, pluscoder: Path) -> int:
    """Run resolve_issue on the first issue, its progress on stderr."""
    flags = ["--project", made.project.path, "--issue-iid", str(_ISSUE), "--check-command", _CHECK]
    output.say(
        "$ workflows run resolve_issue " + " ".join(f"'{f}'" if " " in f else f for f in flags)
    )
    variables = made.variables(url)
    env = environment.for_child(
        {
            "GITLAB_URL": variables["GITLAB_URL"],
            "GITLAB_TOKEN": variables["GITLAB_TOKEN"],
            "OPENAI_BASE_URL": model_url,
            "OPENAI_API_KEY": "sk-not-needed-by-a-recording",
            "WORKFLOWS_PLUSCODER": str(pluscoder),
        }.items()
    )
    done = process.run(
        [sys.executable, "-m", "workflows", "run", "resolve_issue", *flags],
        env=env,
        timeout_s=_RUN_TIMEOUT_S,
        check=False,
        on_stderr=output.write_stderr,
    )
    output.say(done.stdout)
    return done.exit_code


def _show(server: GitLabServer, made: DemoProject, issue_url: str) -> None:
    """The merge request's diff and where to look."""
    with server.lock:
        merge_request: MergeRequest = made.project.merge_requests[1]
        repository = made.project.repository
        head = repository.resolve(merge_request.source_branch) or ""
        base = repository.resolve(merge_request.target_branch)
        diffs = repository.diff(base, head)
    for one in diffs:
        output.say(f"--- {one.old_path}\n+++ {one.new_path}\n{one.text}")
    output.say(f"issue:          {issue_url}")
    output.say(f"merge request:  {server.url}/{made.project.path}/-/merge_requests/1")
