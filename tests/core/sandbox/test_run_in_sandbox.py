"""Programs that are not trusted: how they end, what they say and what they see."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.core.sandbox.untrusted import SECRET, Place, driver
from workflows.core.config import environment
from workflows.core.config.choices import Sandbox
from workflows.core.errors import AgentFailed, ProgramMissing
from workflows.core.redaction import remember
from workflows.core.sandbox.run import sandbox_environment

# --- how it ends, and what it said ---------------------------------------------------------------


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -KILL $$", 137), ("", 0)])
def test_the_end_is_told_as_a_shell_does(place: Place, script: str, code: int) -> None:
    done = place.sh(script)

    assert (done.exit_code, done.timed_out) == (code, False)
    assert done.sandbox == ("process group" if place.sandbox is Sandbox.OFF else "bubblewrap")


def test_output_is_one_stream_appended_to_the_log(place: Place) -> None:
    """Stdout and stderr in the order they were written; a last line needs no end."""
    place.log.write_text("before\n")
    heard: list[str] = []

    done = place.sh("echo 1; echo 2 >&2; echo 3; printf '4 no end'", on_line=heard.append)

    assert heard == ["1", "2", "3", "4 no end"]
    assert done.last_lines == "1\n2\n3\n4 no end"
    assert place.log.read_text() == "before\n1\n2\n3\n4 no end\n"


def test_lines_are_heard_while_it_runs(place: Place) -> None:
    """The program goes on only once its first line was heard."""
    answer = place.clone / "answer"

    done = place.sh(
        "echo one; until [ -e answer ]; do sleep 0.02; done; echo two",
        on_line=lambda _: answer.touch(),
    )

    assert done.last_lines == "one\ntwo"


def test_a_listener_that_raises_ends_the_program(place: Place) -> None:
    """Its exception goes on, and nothing is left."""

    def listen(line: str) -> None:
        raise LookupError(line)

    with pytest.raises(LookupError, match="up"):
        place.sh('setsid sleep "$NAP" & echo up; sleep "$NAP"', on_line=listen)
    assert place.sleepers() == []


def test_much_output_and_junk(open_place: Place) -> None:
    """5 MB of lines after random bytes pass, and only the end is kept in memory."""
    place = open_place
    done = place.sh(
        "head -c 100000 /dev/urandom; echo; "
        "head -c 5000000 /dev/zero | tr '\\0' x | fold -w 100; echo; seq 100"
    )

    assert done.exit_code == 0
    assert done.last_lines == "\n".join(map(str, range(61, 101)))
    assert place.log.stat().st_size > 5_000_000


def test_a_secret_in_the_output_is_redacted_everywhere(place: Place) -> None:
    """In the last lines, on the live lines, and in the log, which is kept."""
    remember([SECRET])
    heard: list[str] = []

    done = place.sh(f"echo 'token={SECRET}.'", on_line=heard.append)

    assert done.last_lines == "token=[redacted]."
    assert heard == ["token=[redacted]."]
    assert place.log.read_text() == "token=[redacted].\n"
    assert place.log.stat().st_mode & 0o077 == 0


def test_stdin_arrives_whole_and_is_closed(place: Place) -> None:
    """Bytes in; without any the program reads the end of file."""
    assert place.run("wc", "-c", stdin=b"x" * 1_000_000).last_lines == "1000000"
    assert place.run("wc", "-c").last_lines == "0"


def test_a_program_that_is_not_there(place: Place) -> None:
    with pytest.raises(ProgramMissing, match="no-such-agent is not installed"):
        place.run("no-such-agent")


def test_a_program_of_the_clone(place: Place) -> None:
    """A relative path is looked up in the working directory, not in ours."""
    (place.clone / "check.sh").write_text("#!/bin/sh\necho checked\n")
    (place.clone / "check.sh").chmod(0o755)

    assert place.run("./check.sh").last_lines == "checked"


# --- what it sees --------------------------------------------------------------------------------


def test_the_environment_is_exactly_what_was_promised(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given, with HOME, XDG_* and TMPDIR inside the home; nothing of ours."""
    monkeypatch.setenv("GIT_TOKEN", SECRET)
    given = {"PATH": environment.for_child()["PATH"], "ONE": "1 = a", "HOME": "/elsewhere"}

    said = place.run("env", env=given).last_lines

    home = place.base / "home"
    names = {"HOME": "", "TMPDIR": ".tmp", "XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}
    names |= {"XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state"}
    expected = {**given, **{n: str(home / f) for n, f in names.items()}}
    expected["XDG_RUNTIME_DIR"] = str(home / ".run")
    if place.sandbox is Sandbox.BUBBLEWRAP:
        expected["PWD"] = str(place.clone)
    assert dict(line.split("=", 1) for line in said.splitlines()) == expected
    assert all(Path(folder).is_dir() for n, folder in expected.items() if n in names)


def test_scrubbed_leaves_out_what_opens_doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No agent socket, no git configuration, no proxy password unless asked for."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("https_proxy", "http://user:pw@proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "a@b,localhost")
    monkeypatch.setenv("GITLAB_TOKEN", SECRET)

    check = sandbox_environment({"CI": "1", "HOME": "/x"}, tmp_path)
    agent = sandbox_environment({}, tmp_path, proxy_passwords=True)

    assert (check["CI"], check["HOME"]) == ("1", str(tmp_path))
    assert (check["GIT_CONFIG_GLOBAL"], check["GIT_TERMINAL_PROMPT"]) == ("/dev/null", "0")
    assert check["HTTP_PROXY"] == "http://proxy:3128"
    assert check["NO_PROXY"] == "a@b,localhost"
    assert not {"SSH_AUTH_SOCK", "https_proxy", "GITLAB_TOKEN"} & set(check)
    assert agent["https_proxy"] == "http://user:pw@proxy:3128"


# A user that is not root, but can reach an interpreter and a folder in root's home.
AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
ATTACK = """
cat "/proc/$0/environ" | tr '\\0' '\\n'
(exec 3<"/proc/$0/mem") && echo 'memory is open'
ls "/proc/$0/fd" >/dev/null && echo 'files are open'
"""


def test_our_memory_is_closed_to_the_program(open_place: Place) -> None:
    """Same user, not root: our environment, memory and files can be read before, never after."""
    body = """
def attack():
    env = environment.for_child()
    return process.run([*args, str(os.getpid())], env=env, timeout_s=20, check=False).stdout

before = attack()
args.append(str(os.getpid()))
confined = run().last_lines
args.pop()
print(json.dumps([before, confined, attack()]))
"""
    root = os.getuid() == 0
    for folder in [open_place.base, *open_place.base.iterdir()] if root else []:
        os.chown(folder, 65534, 65534)

    with driver(open_place, body, "sh", "-c", ATTACK, before=AS_NOBODY if root else ()) as us:
        said, _ = us.communicate(timeout=30)
    before, confined, after = json.loads(said)

    assert f"OUR_SECRET={SECRET}" in before
    assert "memory is open" in before
    assert "files are open" in before
    for tried in (confined, after):
        assert SECRET not in tried
        assert "is open" not in tried
    assert "denied" in confined


def test_new_rights_cannot_be_had(place: Place) -> None:
    """Sudo and other set-user-id programs give nothing."""
    said = place.run("grep", "NoNewPrivs", "/proc/self/status").last_lines

    assert said.split() == ["NoNewPrivs:", "1"]


def test_bubblewrap_hides_processes_and_secrets(
    boxed_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even root finds no process of ours, no credential of the home, no trusted clone."""
    our_home = boxed_place.base / "real home"
    (our_home / ".ssh").mkdir(parents=True)
    (our_home / ".ssh" / "id").write_text(SECRET)
    (our_home / ".netrc").write_text(SECRET)
    monkeypatch.setenv("HOME", str(our_home))
    trusted = boxed_place.base / "trusted"
    trusted.mkdir()
    (trusted / "key").write_text(SECRET)
    shown = boxed_place.base / "shown"
    shown.mkdir()

    done = boxed_place.sh(
        f"grep -rs {SECRET} '{our_home}' '{trusted}' && echo found; ls '{boxed_place.base}'; "
        f"cat /proc/[0-9]*/environ | grep -c {os.getpid()}x; ls /run; "
        f"touch '{shown}/a' b ~/c && ! touch /etc/d 2>/dev/null && echo written",
        writable=[shown],
        hidden=[boxed_place.base],
    )

    assert "found" not in done.last_lines
    assert done.last_lines.splitlines()[:3] == ["clone", "home", "shown"]
    assert done.last_lines.endswith("written")
    assert (shown / "a").exists()
    assert (boxed_place.clone / "b").exists()


# --- which sandbox -------------------------------------------------------------------------------

NO_BWRAP = ""
BROKEN_BWRAP = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"


@pytest.mark.parametrize(
    ("bwrap", "why"),
    [(NO_BWRAP, "there is no bwrap"), (BROKEN_BWRAP, "No permissions")],
    ids=["missing", "broken"],
)
def test_without_a_working_bubblewrap(
    open_place: Place, monkeypatch: pytest.MonkeyPatch, bwrap: str, why: str
) -> None:
    """`bubblewrap` refuses to run and says why and what to do; `auto` goes on without."""
    env = environment.for_child()
    programs = open_place.base / "bin"
    programs.mkdir()
    if bwrap:
        (programs / "bwrap").write_text(bwrap)
        (programs / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))

    with pytest.raises(AgentFailed, match="bubblewrap does not work here") as caught:
        open_place.sh("touch ran", env=env, sandbox=Sandbox.BUBBLEWRAP)
    assert why in caught.value.why
    assert "WORKFLOWS_SANDBOX" in caught.value.fix
    assert not (open_place.clone / "ran").exists()

    assert open_place.sh("touch ran", env=env, sandbox=Sandbox.AUTO).sandbox == "process group"
    assert (open_place.clone / "ran").exists()


def test_auto_uses_a_working_bubblewrap(boxed_place: Place) -> None:
    assert boxed_place.sh("true", sandbox=Sandbox.AUTO).sandbox == "bubblewrap"
