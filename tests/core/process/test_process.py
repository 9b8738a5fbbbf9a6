"""Running a program: what goes in, what comes out, what its failures are called."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.process.processes import ENV, SECRET, sh
from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import ProcessFailed, ProgramMissing, TimeoutExceeded
from workflows.core.redaction import remember


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_arguments_reach_the_child_as_they_are(arguments: list[str]) -> None:
    """Spaces, quotes, `$(…)` and line ends in an argument mean nothing to anybody."""
    arguments = ["$(id); `id` | x > y & \"'\\ *\n", *arguments]
    script = 'for argument in "$@"; do printf "%s\\036" "$argument"; done'
    expected = [argument.replace("\036", "") for argument in arguments]

    done = sh(script, *expected)

    assert done.stdout.split("\036")[:-1] == expected


def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child sees the variables it was given and none of ours."""
    monkeypatch.setenv("GIT_TOKEN", SECRET)
    given_env = {"PATH": ENV["PATH"], "ONE": "1 = a\nb", "EMPTY": ""}

    done = process.run(["env", "-0"], env=given_env, timeout_s=10)

    assert sorted(done.stdout.split("\0")[:-1]) == sorted(f"{k}={v}" for k, v in given_env.items())


def test_the_program_is_looked_up_on_the_childs_path(tmp_path: Path) -> None:
    """PATH of the given environment says which program is meant, not ours."""
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o700)

    assert process.run(["git"], env={"PATH": str(tmp_path)}, timeout_s=10).stdout == "mine\n"


def test_it_runs_where_it_is_told(tmp_path: Path) -> None:
    """`cwd` is the child's working directory, and ours stays."""
    before = Path.cwd()

    done = process.run(["pwd", "-P"], env=ENV, cwd=tmp_path, timeout_s=10)

    assert Path(done.stdout.strip()) == tmp_path.resolve()
    assert Path.cwd() == before


def test_stdin_is_closed() -> None:
    """A child that reads gets the end of file at once, and nothing of what we are asked."""
    script = (
        "from workflows.core import process; from workflows.core.config import environment; "
        "print(process.run(['cat'], env=environment.for_child(), timeout_s=10))"
    )
    root = Path(process.__file__).parents[3]

    done = process.run(
        [sys.executable, "-c", script], env=ENV, cwd=root, stdin=b"our own input", timeout_s=20
    )

    assert "stdout=''" in done.stdout


def test_stdin_bytes_arrive_whole() -> None:
    """Megabytes go in while megabytes come out, without a deadlock."""
    data = os.urandom(1_000_000).hex().encode() * 2

    done = process.run(["cat"], env=ENV, stdin=data, timeout_s=20)

    assert done.stdout.encode() == data
    assert not done.truncated


def test_a_child_need_not_read_its_stdin() -> None:
    """Bytes that the child does not want are no error."""
    done = process.run(["true"], env=ENV, stdin=b"x" * 1_000_000, timeout_s=20)

    assert done.exit_code == 0


def test_output_is_bounded_and_keeps_both_ends() -> None:
    """Of a long output the beginning and the end are kept, and the gap is counted."""
    done = process.run(
        ["sh", "-c", "echo first; seq 1000000; echo last; seq 100000 >&2"],
        env=ENV,
        timeout_s=20,
        max_output_bytes=1_000,
    )

    assert done.truncated
    assert done.stdout.startswith("first\n1\n2\n")
    assert done.stdout.endswith("1000000\nlast\n")
    total = len("first\nlast\n") + sum(len(f"{n}\n") for n in range(1, 1_000_001))
    assert f"[… {total - 1_000} bytes left out …]" in done.stdout
    assert done.stderr.endswith("99999\n100000\n")


def test_output_that_is_no_text_is_shown_as_far_as_it_is() -> None:
    """Bytes that are not UTF-8 become the replacement character."""
    assert sh(r"printf 'a\377b'").stdout == "a�b"


def test_a_failure_says_what_the_child_said() -> None:
    """A non-zero exit raises with the last lines of stderr, and of stdout if it has none."""
    with pytest.raises(ProcessFailed, match=r"^sh ended with exit code 3") as caught:
        sh("seq 20; seq 30 >&2; exit 3")
    assert caught.value.why == "\n".join(map(str, range(19, 31)))

    with pytest.raises(ProcessFailed) as caught:
        sh("echo only this; exit 1")
    assert caught.value.why == "only this"


def test_a_failure_may_be_looked_at_instead() -> None:
    """With `check=False` the exit code comes back, negative for a signal."""
    assert sh("exit 3", check=False).exit_code == 3
    assert sh("kill -KILL $$", check=False).exit_code == -signal.SIGKILL


def test_errors_are_redacted_and_do_not_show_arguments() -> None:
    """Neither what the child said nor what it was called with brings a secret into an error."""
    remember([SECRET])
    for script, timeout_s, kind in (
        (f"echo {SECRET} >&2; exit 1", 20.0, ProcessFailed),
        (f"echo {SECRET} >&2; sleep 60", 0.5, TimeoutExceeded),
    ):
        with pytest.raises(kind) as caught:
            sh(script, "unknown-secret-argument", timeout_s=timeout_s)

        assert "[redacted]" in caught.value.why
        assert SECRET not in str(caught.value)
        assert "unknown-secret-argument" not in str(caught.value)


def test_git_is_named_with_its_command() -> None:
    """An error of git names the subcommand."""
    with pytest.raises(ProcessFailed, match=r"^git frobnicate ended with exit code 1"):
        process.run(["git", "frobnicate"], env=ENV | {"HOME": "/"}, timeout_s=20)


def test_a_program_that_is_not_installed(tmp_path: Path) -> None:
    """A missing executable is an error of its own, with what to do."""
    with pytest.raises(ProgramMissing, match="no-such-program is not installed") as caught:
        process.run(["no-such-program"], env=ENV, cwd=tmp_path, timeout_s=5)

    assert "PATH" in caught.value.fix


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    """A file without permission to be run is ProgramMissing with a way out."""
    (tmp_path / "data").write_text("no program")

    with pytest.raises(ProgramMissing, match="make the file executable"):
        process.run([str(tmp_path / "data")], env=environment.for_child(), timeout_s=5)


def test_a_missing_folder_is_not_a_missing_program(tmp_path: Path) -> None:
    """A working directory that is not there is not blamed on the program."""
    with pytest.raises(FileNotFoundError):
        process.run(["true"], env=ENV, cwd=tmp_path / "nowhere", timeout_s=5)


def test_stderr_is_reported_as_it_comes(tmp_path: Path) -> None:
    """`on_stderr` hears a piece while the child still runs, and all of them in the end."""
    heard: list[str] = []
    answer = tmp_path / "answer"

    def listen(piece: str) -> None:
        heard.append(piece)
        answer.touch()

    # the child goes on only once it was heard
    script = 'echo one >&2; until [ -e "$1" ]; do sleep 0.02; done; echo two >&2; echo out'
    done = process.run(
        ["sh", "-c", script, "sh", str(answer)], env=ENV, timeout_s=20, on_stderr=listen
    )

    assert len(heard) >= 2
    assert "".join(heard) == done.stderr == "one\ntwo\n"
    assert done.stdout == "out\n"
