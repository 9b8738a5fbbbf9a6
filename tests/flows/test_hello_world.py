"""hello_world end to end: the real command, real git over HTTP, faults included."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.support import DEVELOPER_TOKEN, TOKEN, Cli, Remote, last_json
from workflows.core import process
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.forked import ForkedCli

GIT_CALLS = 9  # how many times hello_world starts git, checked below

# Stands before git on PATH. Writes down every command line, and at call number $AT does $ACT.
WRAPPER = """\
#!/bin/sh
log={log}
printf '%s\\n' "$*" >>"$log/calls"
n=$(wc -l <"$log/calls")
PATH={path}
export PATH
export GIT_TRACE2_EVENT="$log/trace"
at=$(cat "$log/at" 2>/dev/null); act=$(cat "$log/act" 2>/dev/null)
if [ "$n" = "$at" ]; then
    case $act in
        kill-before) kill -9 $PPID; exit 1 ;;
        kill-during) kill -9 $PPID; exec git "$@" ;;
        kill-after) git "$@"; kill -9 $PPID; exit 0 ;;
        term) kill -TERM $PPID; exec sleep 60 ;;
        int) kill -INT $PPID; exec sleep 60 ;;
    esac
fi
git "$@"
code=$?
cat .git/config */*/.git/config 2>/dev/null >>"$log/configs"
exit $code
"""


class Watched:
    """A `git` on PATH that writes down what it is called with and can act at one call."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "watched"
        (self.log / "bin").mkdir(parents=True)
        script = self.log / "bin" / "git"
        path = process.run(["sh", "-c", "echo $PATH"], env=Cli(folder).environment({}), timeout_s=5)
        script.write_text(WRAPPER.format(log=self.log, path=path.stdout.strip()))
        script.chmod(0o755)
        self.path = f"{self.log}/bin:{path.stdout.strip()}"

    def act(self, what: str, at: int) -> None:
        """Arm: at git call number `at` (from 1) do `what`."""
        (self.log / "at").write_text(str(at))
        (self.log / "act").write_text(what)

    def calls(self) -> list[str]:
        """The command lines so far."""
        file = self.log / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A watched git; pass `PATH=watched.path` to the command."""
    return Watched(tmp_path)


def test_the_command_pushes_one_commit_on_a_new_branch(remote: Remote, cli: Cli) -> None:
    """From a URL and a token to a pushed branch, its id and link in the JSON line."""
    done = cli("run", "hello_world", "--git-url", remote.url, "--json")

    assert done.exit_code == 0, done.stderr
    result = last_json(done)["result"]
    assert result == {
        "branch": "hello-world",
        "commit_id": remote.branches()["hello-world"],
        "web_url": f"{remote.base_url}/acme/shop/-/tree/hello-world",
        "changed": True,
    }
    assert remote.git("log", "--format=%an <%ae> %s", "main..hello-world") == (
        "Workflows <workflows@localhost> Add HELLO.md"
    )
    assert remote.git("show", "hello-world:README.md") == "# acme/shop"


def test_the_cloud_run_way_of_starting_it(remote: Remote, cli: Cli) -> None:
    """WORKFLOW_NAME and snake_case flags do the same."""
    done = cli(
        *("--git_url", remote.url, "--branch=greeting", "--git_user", "Ada"),
        *("--git_email=ada@example.com", "--json"),
        WORKFLOW_NAME="hello_world",
    )

    assert done.exit_code == 0, done.stderr
    assert remote.git("log", "-1", "--format=%an <%ae>", "greeting") == "Ada <ada@example.com>"


def test_a_second_run_succeeds_and_adds_nothing(remote: Remote, forked: ForkedCli) -> None:
    """Run twice: one branch, one commit, and the second says it changed nothing."""
    forked("run", "hello_world", "--git-url", remote.url)
    before = remote.branches()

    done = forked("run", "hello_world", "--git-url", remote.url, "--json")

    assert done.exit_code == 0
    assert last_json(done)["result"]["changed"] is False
    assert remote.branches() == before


def test_a_commit_of_a_persons_on_the_branch_is_kept(remote: Remote, forked: ForkedCli) -> None:
    """A rerun goes on from what is there and removes nothing."""
    ident = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    theirs = remote.git(*ident, "commit-tree", "main^{tree}", "-p", "main", "-m", "mine")
    remote.git("update-ref", "refs/heads/hello-world", theirs)

    done = forked("run", "hello_world", "--git-url", remote.url)

    assert done.exit_code == 0
    assert remote.git("rev-parse", "hello-world^") == theirs


@pytest.mark.parametrize("branch", ["main", "master", "develop", "Main"])
def test_branches_of_people_are_refused_before_anything_is_done(
    remote: Remote, forked: ForkedCli, branch: str
) -> None:
    """`main`, `master`, `develop`: exit 2, and the server was not even asked."""
    done = forked("run", "hello_world", "--git-url", remote.url, "--branch", branch)

    assert done.exit_code == 2
    assert "branch:" in done.stderr
    assert remote.server.requests == []


def test_the_default_branch_is_refused_whatever_its_name(remote: Remote, forked: ForkedCli) -> None:
    """A default branch called `trunk` is not written to: exit 2."""
    folder = remote.server.create_repository("acme/old", default_branch="trunk", protected=[])
    old = Remote(remote.server, remote.base_url, folder, "acme/old")
    before = old.branches()

    done = forked("run", "hello_world", "--git-url", old.url, "--branch", "trunk")

    assert done.exit_code == 2
    assert "default branch" in done.stderr
    assert old.branches() == before


def test_a_default_branch_without_a_commit_is_refused_too(
    remote: Remote, forked: ForkedCli
) -> None:
    """The branch an empty repository calls its default is people's as well."""
    folder = remote.server.create_repository(
        "acme/new", files={}, default_branch="trunk", protected=[]
    )

    done = forked(
        *("run", "hello_world", "--branch", "trunk"),
        *("--git-url", f"{remote.base_url}/acme/new.git"),
    )

    assert done.exit_code == 2
    assert "default branch" in done.stderr
    assert Remote(remote.server, remote.base_url, folder).branches() == {}


def test_an_empty_repository_gets_the_branch(remote: Remote, forked: ForkedCli) -> None:
    """A repository without a commit is no special case for the caller."""
    folder = remote.server.create_repository("acme/empty", files={}, protected=[])
    empty = Remote(remote.server, remote.base_url, folder, "acme/empty")

    done = forked("run", "hello_world", "--git-url", empty.url)

    assert done.exit_code == 0, done.stderr
    assert list(empty.branches()) == ["hello-world"]


def test_transient_errors_are_tried_again(remote: Remote, forked: ForkedCli) -> None:
    """Two 503 answers in a row do not fail the run."""
    remote.server.faults.fail_next = [503, 503]

    done = forked("run", "hello_world", "--git-url", remote.url)

    assert done.exit_code == 0, done.stderr
    assert "again in" in done.stderr


def test_errors_that_last_end_with_75(remote: Remote, forked: ForkedCli) -> None:
    """When every attempt meets a 503 the exit code says that it may work later."""
    remote.server.faults.fail_next = [503] * 50

    done = forked("run", "hello_world", "--git-url", remote.url, "--json")

    assert done.exit_code == 75
    assert last_json(done)["error"]["retryable"] is True


def test_a_permanent_error_is_not_tried_again(remote: Remote, forked: ForkedCli) -> None:
    """A wrong token is asked about once per git command, and ends with exit 1 and three lines."""
    done = forked("run", "hello_world", "--git-url", remote.url, GIT_TOKEN="glpat-wrong-000000")

    assert done.exit_code == 1
    assert "error: 127.0.0.1" in done.stderr
    assert "fix: check GIT_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(remote.server.requests) <= 2


def test_a_race_for_the_branch_ends_with_one_commit(
    remote: Remote, forked: ForkedCli, watched: Watched
) -> None:
    """If another run pushes the branch after our clone, ours goes on from what it pushed."""
    push = forked("run", "hello_world", "--git-url", remote.url, PATH=watched.path)
    assert push.exit_code == 0
    theirs = remote.branches()["hello-world"]
    remote.git("update-ref", "refs/heads/parked", theirs)
    remote.git("update-ref", "-d", "refs/heads/hello-world")
    hook = watched.log / "bin" / "git"
    # The moment ours is about to push, the other run's branch appears on the server.
    script = hook.read_text().replace(
        'git "$@"\ncode=$?',
        f'case "$*" in push*) git --git-dir={remote.folder} update-ref refs/heads/hello-world'
        ' refs/heads/parked ;; esac\ngit "$@"\ncode=$?',
    )
    hook.write_text(script)

    done = forked(
        *("run", "hello_world", "--git-url", remote.url, "--git-user", "Other", "--json"),
        PATH=watched.path,
    )

    assert done.exit_code == 0, done.stderr
    assert last_json(done)["result"] == last_json(done)["result"] | {"changed": False}
    assert remote.branches()["hello-world"] == theirs


# --- crashes and signals -----------------------------------------------------------------------


def test_the_number_of_git_calls_is_known(
    remote: Remote, forked: ForkedCli, watched: Watched
) -> None:
    """The kill tests below go through every git call there is."""
    forked("run", "hello_world", "--git-url", remote.url, PATH=watched.path)

    assert len(watched.calls()) == GIT_CALLS


@pytest.mark.parametrize("act", ["kill-before", "kill-during", "kill-after"])
@pytest.mark.parametrize("at", range(1, GIT_CALLS + 1))
def test_killed_at_any_step_and_run_again(
    remote: Remote, forked: ForkedCli, watched: Watched, act: str, at: int
) -> None:
    """After kill -9 at any git call, a second run ends with one branch and one commit."""
    watched.act(act, at)
    killed = forked("run", "hello_world", "--git-url", remote.url, PATH=watched.path)
    assert killed.exit_code == -9

    done = forked("run", "hello_world", "--git-url", remote.url)

    assert done.exit_code == 0, done.stderr
    assert set(remote.branches()) == {"main", "hello-world"}
    assert remote.git("rev-list", "--count", "main..hello-world") == "1"


@pytest.mark.parametrize("at", [1, 3, 6, GIT_CALLS])
def test_sigterm_ends_it_within_five_seconds(
    remote: Remote, cli: Cli, watched: Watched, at: int
) -> None:
    """SIGTERM at a hanging step: exit 143, scratch removed, no child left, state said."""
    watched.act("term", at)
    started = time.monotonic()

    done = cli("run", "hello_world", "--git-url", remote.url, "--json", PATH=watched.path)

    assert time.monotonic() - started < 5
    assert done.exit_code == 143
    assert last_json(done)["state"] == "terminated"
    assert list(cli.cwd.iterdir()) == []
    assert "hello-world" not in remote.branches()
    assert str(watched.log) not in _command_lines()


def test_ctrl_c_ends_it_without_a_traceback(remote: Remote, cli: Cli, watched: Watched) -> None:
    """SIGINT: exit 130, one line, scratch removed."""
    watched.act("int", 2)

    done = cli("run", "hello_world", "--git-url", remote.url, PATH=watched.path)

    assert done.exit_code == 130
    assert "error: stopped by SIGINT" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(cli.cwd.iterdir()) == []


def test_a_failed_run_leaves_no_scratch(remote: Remote, forked: ForkedCli) -> None:
    """After an error TMPDIR is as it was."""
    remote.server.set_push_rule("acme/shop", "no")

    assert forked("run", "hello_world", "--git-url", remote.url).exit_code == 1
    assert list(forked.cwd.iterdir()) == []


def test_the_end_is_notified(remote: Remote, forked: ForkedCli) -> None:
    """Success, failure and SIGTERM each send one message."""
    got: list[str] = []

    async def hook(request: Request) -> PlainTextResponse:
        got.append((await request.json())["title"])
        return PlainTextResponse("")

    with serve_app(Starlette(routes=[Route("/", hook, methods=["POST"])])) as receiver:
        to = {"NOTIFY_URLS": receiver.replace("http://", "json://") + "/"}
        forked("run", "hello_world", "--git-url", remote.url, **to)
        forked("run", "hello_world", "--git-url", remote.url, **to, GIT_TOKEN="glpat-wrong-000000")
        watch = Watched(forked.cwd.parent / "w")
        watch.act("term", 2)
        forked("run", "hello_world", "--git-url", remote.url, **to, PATH=watch.path)

    assert got == [
        "hello_world succeeded: acme/shop",
        "hello_world failed: acme/shop",
        "hello_world terminated: acme/shop",
    ]


# --- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["environment", "url", "wrong", "declined"])
def test_the_token_is_nowhere_to_be_found(
    remote: Remote, forked: ForkedCli, watched: Watched, place: str
) -> None:
    """Not in argv of any child, `.git/config`, logs, results or errors; however it was given."""
    token = {"wrong": "glpat-wrong-8c7b6a", "declined": DEVELOPER_TOKEN}.get(place, TOKEN)
    url = remote.url
    env = {"GIT_TOKEN": token, "PATH": watched.path, "LOG_LEVEL": "DEBUG"}
    if place == "url":
        url = url.replace("://", f"://bot:{token}@")
        env.pop("GIT_TOKEN")
        forked.env.pop("GIT_TOKEN")
    if place == "declined":
        remote.server.set_push_rule("acme/shop", f"your token {token} is in the commit")

    done = forked("run", "hello_world", "--git-url", url, "--json", **env)

    assert done.exit_code == (0 if place in {"environment", "url"} else 1)
    trace = (watched.log / "trace").read_text()
    assert "git-remote-http" in trace or "remote-http" in trace
    texts = {file.name: file.read_text() for file in watched.log.iterdir() if file.is_file()}
    texts |= {"stdout": done.stdout, "stderr": done.stderr}
    if place in {"environment", "url"}:
        assert "[core]" in texts["configs"]
    for name, text in texts.items():
        assert token not in text, name


def test_json_logs_in_cloud_run(remote: Remote, forked: ForkedCli) -> None:
    """Where CLOUD_RUN_JOB is set every stderr line is one JSON object with its context."""
    done = forked(
        *("run", "hello_world", "--git-url", remote.url),
        CLOUD_RUN_JOB="hello-world",
        CLOUD_RUN_EXECUTION="hello-world-x1",
    )

    entries = [json.loads(line) for line in done.stderr.splitlines()]
    steps = {entry.get("step") for entry in entries}
    assert {"clone repository", "push changes"} <= steps
    assert {(e["severity"], e["run_id"], e["flow"]) for e in entries} == {
        ("INFO", "hello-world-x1", "hello_world")
    }


def _command_lines() -> str:
    """The command lines of every process of this machine."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_text(errors="replace").replace("\0", " "))
        except OSError:
            continue
    return "\n".join(lines)
