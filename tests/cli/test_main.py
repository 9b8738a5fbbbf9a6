"""The command line as a person or a script meets it."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import time
from typing import TYPE_CHECKING

import pytest

import workflows
from tests.support import Cli, Remote, last_json
from workflows.cli import catalog
from workflows.core import process

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://gitlab.example.com/acme/shop.git"


def test_version_is_the_packages(cli: Cli) -> None:
    """`--version` says the version of the package, also where WORKFLOW_NAME is set."""
    assert cli("--version").stdout == f"workflows {workflows.__version__}\n"
    assert cli("--version", WORKFLOW_NAME="hello_world").stdout.startswith("workflows ")


def test_help_names_every_command_and_the_exit_codes(cli: Cli) -> None:
    """`--help` is complete and goes to stdout."""
    done = cli("--help")

    assert done.exit_code == 0
    for word in ("run", "list", "describe", "demo", "local", "completion", "exit codes"):
        assert word in done.stdout


def test_help_and_lists_import_neither_prefect_nor_pydantic(cli: Cli) -> None:
    """What must be fast does not load what is slow."""
    for args in (["--help"], ["list"], ["--version"]):
        probe = (
            "import sys; from workflows.cli.main import run_command_line as run;"
            " run(sys.argv[1:]);"
            " sys.exit(bool({'prefect', 'pydantic', 'rich', 'httpx'} & set(sys.modules)))"
        )
        done = process.run(
            [sys.executable, "-c", probe, *args], env=cli.environment({}), timeout_s=30, check=False
        )
        assert done.exit_code == 0, args


def test_a_plain_run_does_not_import_prefect(remote: Remote, cli: Cli) -> None:
    """Without PREFECT_API_URL nothing of Prefect is loaded."""
    probe = (
        "import sys; from workflows.cli.main import run_command_line as run;"
        " code = run(sys.argv[1:]);"
        " sys.exit(code or bool({'prefect', 'httpx', 'rich', 'apprise'} & set(sys.modules)))"
    )
    args = ["run", "hello_world", "--git-url", remote.url, "--quiet"]
    done = process.run(
        [sys.executable, "-c", probe, *args], env=cli.environment({}), timeout_s=30, check=False
    )

    assert done.exit_code == 0, done.stderr


def test_no_command_is_wrong_input(cli: Cli) -> None:
    """Without a command the help goes to stderr and the exit code is 2."""
    done = cli()

    assert done.exit_code == 2
    assert "usage: workflows" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["runn"], "workflows run"),
        (["hello_world"], "workflows run hello_world"),
        (["run", "hello_wrld"], "hello_world"),
        (["describe", "hallo_world"], "hello_world"),
        (["local", "gti"], "workflows local git"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(
    cli: Cli, args: list[str], hint: str
) -> None:
    """Exit 2, and the message says what was probably meant."""
    done = cli(*args)

    assert done.exit_code == 2
    assert f"did you mean `{hint}`?" in done.stderr or f"did you mean {hint}?" in done.stderr


def test_everything_wrong_is_named_at_once(cli: Cli) -> None:
    """Unknown flags, missing values, stray words, missing and bad parameters: one message."""
    done = cli(
        *("run", "hello_world", "--gti-url", URL, "--branch", "--git-email", "nobody", "stray")
    )

    assert done.exit_code == 2
    for finding in (
        "--gti-url: unknown, did you mean --git-url?",
        "--branch: needs a value",
        "git_email: ",
        "'stray': not expected here",
        "git_url: missing",
    ):
        assert finding in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_input_is_json_too(cli: Cli) -> None:
    """With `--json` even a refusal is one JSON object on the last line."""
    done = cli("run", "hello_world", "--json")

    facts = last_json(done)
    assert (facts["state"], facts["exit_code"]) == ("refused", 2)
    assert "git_url: missing" in facts["error"]["why"]


def test_bad_settings_are_named_a_line_each(cli: Cli) -> None:
    """Environment variables that cannot be used: exit 2 before anything is done."""
    done = cli(*("run", "hello_world", "--git-url", URL), GIT_TIMEOUT_S="soon", LOG_LEVEL="LOUD")

    assert done.exit_code == 2
    assert "GIT_TIMEOUT_S: " in done.stderr
    assert "LOG_LEVEL: " in done.stderr


def test_kebab_and_snake_case_are_the_same(remote: Remote, cli: Cli) -> None:
    """`--git_url`, `--git-url` and `--git-url=` all work; so does `hello-world` for the name."""
    for number, flag in enumerate((["--git_url", remote.url], [f"--git-url={remote.url}"])):
        branch = f"b{number}"
        done = cli("run", "hello-world", *flag, "--branch", branch, "--json")
        assert last_json(done)["result"]["branch"] == branch


def test_quiet_says_nothing_when_all_is_well(remote: Remote, cli: Cli) -> None:
    """`--quiet` prints errors only; with `--json` the object remains."""
    silent = cli("run", "hello_world", "--git-url", remote.url, "--quiet")
    machine = cli("run", "hello_world", "--git-url", remote.url, "--quiet", "--json")

    assert (silent.stdout, silent.stderr) == ("", "")
    assert len(machine.stdout.splitlines()) == 1
    assert machine.stderr == ""


def test_a_run_away_from_a_terminal_prints_plain_lines(remote: Remote, cli: Cli) -> None:
    """No escape sequences; a line a step on stderr; the result on stdout."""
    done = cli("run", "hello_world", "--git-url", remote.url)

    assert "\x1b" not in done.stdout + done.stderr
    assert re.search(r"clone repository: done in \d+\.\d\d s", done.stderr)
    assert re.search(r"^branch +hello-world$", done.stdout, re.MULTILINE)


def test_a_terminal_gets_a_live_step_list(remote: Remote, cli: Cli) -> None:
    """On a terminal each step shows a mark and a time, and NO_COLOR removes the colours."""
    args = [sys.executable, "-m", "workflows", "run", "hello_world", "--git-url", remote.url]
    coloured = on_terminal(args, cli.environment({"TERM": "xterm"}))
    plain = on_terminal(args, cli.environment({"TERM": "xterm", "NO_COLOR": "1"}))

    for screen in (coloured, plain):
        assert re.search(r"✓.*push changes.*\d\.\d s", screen)
    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in plain


def test_list_and_describe_tell_what_there_is(cli: Cli) -> None:
    """`list` names every flow, `describe` every parameter with its default."""
    assert all(name in cli("list").stdout for name in catalog.FLOWS)
    assert json.loads(cli("list", "--json").stdout) == catalog.FLOWS
    shown = cli("describe", "hello_world").stdout
    assert re.search(r"--git-url +required", shown)
    assert re.search(r"--branch +hello-world", shown)
    schema = json.loads(cli("describe", "hello_world", "--json").stdout)["parameters"]
    assert schema["required"] == ["git_url"]
    assert schema["additionalProperties"] is False


def test_every_flow_of_the_catalogue_is_one() -> None:
    """Name and summary of the catalogue are the flow's own, and no parameter shadows a run flag."""
    for name, summary in catalog.FLOWS.items():
        flow = catalog.find(name)
        assert (flow.name, flow.summary, flow.module) == (name, summary, f"workflows.{name}")
        assert not {"json", "quiet", "prefect", "help"} & set(flow.parameters.model_fields)


def test_completion_knows_the_flags_of_a_flow(cli: Cli, tmp_path: Path) -> None:
    """The bash script completes commands, flows and a flow's flags."""
    script = tmp_path / "complete.sh"
    script.write_text(cli("completion", "bash").stdout)
    ask = (
        f"source {script}; COMP_WORDS=(workflows run hello_world --git-); COMP_CWORD=3;"
        ' $(complete -p workflows | sed "s/.*-F \\([^ ]*\\) .*/\\1/") workflows;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )

    done = process.run(["bash", "-c", ask], env=cli.environment({}), timeout_s=20)

    assert {"--git-url", "--git-user", "--git-email"} <= set(done.stdout.split())


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>/dev/full", "2>&-", "| true"])
def test_output_that_cannot_be_written_does_not_change_the_exit_code(
    remote: Remote, cli: Cli, redirection: str
) -> None:
    """Work that is done is 0 and work that failed is 1, whether or not anybody can be told."""
    command = f"{sys.executable} -m workflows run hello_world --json --git-url {remote.url}"
    codes = []
    for rule in (None, "no"):
        remote.server.set_push_rule("acme/shop", rule)
        # The exit code comes by a file, since the pipe's reader is the one that is gone.
        script = f'{{ {command} --branch b{rule}; echo $? >"$OUT"; }} {redirection}'
        out = cli.cwd.parent / f"code-{rule}"
        env = cli.environment({"OUT": str(out)})
        process.run(["bash", "-c", script], env=env, timeout_s=60, check=False)
        codes.append(int(out.read_text()))

    assert codes == [0, 1]


def test_json_is_valid_whatever_the_server_says(remote: Remote, cli: Cli) -> None:
    """Quotes, backslashes and header-like words in a hook's text leave one JSON object."""
    remote.server.set_push_rule("acme/shop", 'authorization: bearer abc"def ?key=x"y \\ é')

    done = cli("run", "hello_world", "--git-url", remote.url, "--json", PYTHONIOENCODING="ascii")

    assert "[redacted]" in last_json(done)["error"]["why"]
    assert "abc" not in done.stdout + done.stderr


def test_a_servers_words_do_not_steer_the_terminal(remote: Remote, cli: Cli) -> None:
    """Escape sequences in a hook's text do not reach stderr."""
    remote.server.set_push_rule("acme/shop", "\x1b]0;owned\x07\x1b[2Jall good")

    done = cli("run", "hello_world", "--git-url", remote.url)

    assert done.exit_code == 1
    assert "all good" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "https://bot:s3cr/etvalue@h.example/a/b",
        "https://bot:s3cr#etvalue@h.example/a/b",
        "https://bot:s3cretvalue",
        "https://bot:s3cr/et@value@h/a/b",
        "https://bot:s3cr?etvalue@h/a",
    ],
)
def test_a_malformed_url_does_not_show_its_password(cli: Cli, url: str) -> None:
    """Refused with a hint about %2F, as a parameter and as a stray word; no part is shown."""
    as_parameter = cli("run", "hello_world", "--git-url", url, "--json")
    as_word = cli("run", "hello_world", url, "--json")

    for done in (as_parameter, as_word):
        assert done.exit_code == 2
        for part in ("s3cr", "etvalue", "et@value"):
            assert part not in done.stdout + done.stderr


def test_switches_may_stand_before_the_flow(remote: Remote, cli: Cli) -> None:
    """`run --json hello_world` is `run hello_world --json`; `--json=false` is no `--json`."""
    first = cli("run", "--json", "hello_world", "--git-url", remote.url)
    not_json = cli("run", "hello_world", "--git-url", remote.url, "--json=false")
    unclear = cli("run", "hello_world", "--git-url", remote.url, "--json=maybe")

    assert last_json(first)["state"] == "succeeded"
    assert not not_json.stdout.startswith("{")
    assert unclear.exit_code == 2
    assert "--json: is yes or no, not 'maybe'" in unclear.stderr


def test_what_argparse_refuses_is_told_with_the_rest(cli: Cli) -> None:
    """A value that is no choice does not hide the unknown flag before it."""
    done = cli("run", "hello_world", "--gti-url", "x", "--prefect", "bogus")

    assert done.exit_code == 2
    assert "--gti-url: unknown" in done.stderr
    assert "bogus" in done.stderr


def test_a_defect_is_reported_in_json_too(cli: Cli) -> None:
    """An exception that is not ours exits with 70, a report, and a JSON object."""
    probe = (
        "import sys; from workflows.cli import catalog, main;"
        " catalog.find = lambda name: 1 / 0;"
        " sys.exit(main.run_command_line(['run', 'hello_world', '--json']))"
    )
    done = process.run(
        [sys.executable, "-c", probe], env=cli.environment({}), timeout_s=30, check=False
    )

    assert done.exit_code == 70
    assert "this is a defect" in done.stderr
    assert last_json(done)["error"]["type"] == "ZeroDivisionError"


def test_a_closed_pipe_is_no_error(cli: Cli) -> None:
    """`workflows list | head -0` ends quietly."""
    command = f"{sys.executable} -m workflows describe hello_world | true"
    done = process.run(["sh", "-c", command], env=cli.environment({}), timeout_s=30)

    assert done.stderr == ""


def test_local_git_serves_until_it_is_stopped(cli: Cli, tmp_path: Path) -> None:
    """`local git` prints a URL that works with the token; its folder outlives it."""
    args = [sys.executable, "-m", "workflows", "local", "git", "--root", str(tmp_path / "root")]
    commits = []
    for branch in ("one", "two"):
        log = tmp_path / f"{branch}.log"
        with process.background([*args, "--token", "tok-1234"], env=cli.environment({}), log=log):
            url = first_url(log)
            done = cli(
                *("run", "hello_world", "--git-url", url, "--branch", branch, "--json"),
                GIT_TOKEN="tok-1234",
            )
            assert done.exit_code == 0, done.stderr
            commits.append(last_json(done)["result"]["commit_id"])

    heads = tmp_path / "root/acme/shop.git/refs/heads"
    assert [(heads / branch).read_text().strip() for branch in ("one", "two")] == commits


def first_url(log: Path) -> str:
    """Wait for the server's first line and return the URL in it."""
    return first_match(log, r"http://\S+\.git")


def first_match(log: Path, pattern: str) -> str:
    """Wait until the log has what is looked for, and return that."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text() if log.exists() else "")
        if found:
            return found.group()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def on_terminal(args: list[str], env: dict[str, str]) -> str:
    """Run a program on a pseudo-terminal and return everything it wrote there."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(args[0], args, env)  # noqa: S606 - a list, no shell
    written = b""
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, written.decode()
    return written.decode()


def test_local_gitlab_is_ready_for_any_client(cli: Cli, tmp_path: Path) -> None:
    """Its env file holds a URL, a Maintainer's and a Reporter's token that work."""
    import httpx

    env_file, log = tmp_path / "gitlab.env", tmp_path / "gitlab.log"
    args = [sys.executable, "-m", "workflows", "local", "gitlab", "--env-file", str(env_file)]
    with process.background(args, env=cli.environment({}), log=log):
        first_match(log, r"Ctrl-C ends it")
        found = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
        project = found["GITLAB_PROJECT"].replace("/", "%2F")
        url = f"{found['GITLAB_URL']}/api/v4/projects/{project}/issues"
        answers = [
            httpx.post(url, json={"title": "x"}, headers={"PRIVATE-TOKEN": found[name]})
            for name in ("GITLAB_TOKEN", "GITLAB_READ_TOKEN")
        ]

    assert [one.status_code for one in answers] == [201, 201]
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert "TOKEN" in log.read_text()
    assert [one.name for one in tmp_path.glob(".gitlab.env*")] == []


def test_local_gitlab_says_what_is_wrong_with_its_file(cli: Cli, tmp_path: Path) -> None:
    """An env file that cannot be written is wrong input."""
    done = cli("local", "gitlab", "--env-file", str(tmp_path / "none/env"))

    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
