"""Programs that are not trusted: real ones, which try to get away and to look around."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workflows.core import confinement, environment, process
from workflows.core.confinement import Confined, run_confined, scrubbed
from workflows.core.errors import AgentFailed, ProgramMissing
from workflows.core.redaction import remember
from workflows.core.settings import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(confinement.__file__).parents[2]
SECRET = "tok-confined-93ab"
_numbers = count(1)


@dataclass
class Place:
    """A clone to work in, with what belongs to it; `nap` is a length of sleep like no other."""

    base: Path
    sandbox: Sandbox
    nap: str

    @property
    def clone(self) -> Path:
        return self.base / "clone"

    @property
    def log(self) -> Path:
        return self.base / "log"

    def run(self, *args: str, env: Mapping[str, str] | None = None, **others: Any) -> Confined:
        home = self.base / "home"
        given: dict[str, Any] = {"timeout_s": 30, "sandbox": self.sandbox, **others}
        env = scrubbed({"NAP": self.nap}, home) if env is None else env
        return run_confined(list(args), env=env, cwd=self.clone, home=home, log=self.log, **given)

    def sh(self, script: str, **others: Any) -> Confined:
        return self.run("sh", "-c", script, **others)

    def sleepers(self) -> list[str]:
        """The processes that sleep as long as only ours do; not those that wait to be reaped."""
        listed = subprocess.run(
            ["ps", "-eww", "-o", "stat=,args="], capture_output=True, text=True, check=True
        )
        lines = [line.strip() for line in listed.stdout.splitlines()]
        return [line for line in lines if line.endswith(f"sleep {self.nap}") and line[0] != "Z"]


def make_place(base: Path, sandbox: Sandbox) -> Place:
    for name in ("clone", "home"):
        (base / name).mkdir()
    return Place(base, sandbox, f"{300 + next(_numbers)}.{os.getpid()}")


def need_bubblewrap() -> None:
    bwrap, why = confinement._working_bubblewrap(environment.for_child()["PATH"])
    if bwrap is None:
        pytest.skip(f"no working bubblewrap: {why}")


@pytest.fixture(params=[Sandbox.OFF, Sandbox.BUBBLEWRAP], ids=str)
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """With and without bubblewrap."""
    if request.param is Sandbox.BUBBLEWRAP:
        need_bubblewrap()
    return make_place(tmp_path, request.param)


@pytest.fixture
def open_place(tmp_path: Path) -> Place:
    """Without bubblewrap."""
    return make_place(tmp_path, Sandbox.OFF)


@pytest.fixture
def boxed_place(tmp_path: Path) -> Place:
    """With bubblewrap, where it works."""
    need_bubblewrap()
    return make_place(tmp_path, Sandbox.BUBBLEWRAP)


def wait_for(path: Path, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.01)


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
    done = place.sh("head -c 100000 /dev/urandom; echo; seq 740000")

    assert done.exit_code == 0
    assert done.last_lines == "\n".join(map(str, range(739_961, 740_001)))
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
    assert (
        place.run("sha256sum", stdin=b"x" * 1_000_000).last_lines.startswith(
            "d0bd37e758e68c90e8ad3fb6d9d4cd3c"
        )
        or place.run("wc", "-c", stdin=b"x" * 1_000_000).last_lines == "1000000"
    )
    assert place.run("wc", "-c").last_lines == "0"


def test_a_program_that_is_not_there(place: Place) -> None:
    with pytest.raises(ProgramMissing, match="no-such-agent is not installed"):
        place.run("no-such-agent")


def test_a_program_of_the_clone(place: Place) -> None:
    """A relative path is looked up in the working directory, not in ours."""
    (place.clone / "check.sh").write_text("#!/bin/sh\necho checked\n")
    (place.clone / "check.sh").chmod(0o755)

    assert place.run("./check.sh").last_lines == "checked"


# --- nothing survives ----------------------------------------------------------------------------

SLEEPER = """sh -c 'touch "up$1"; exec sleep "$NAP"' sh"""
WAIT = "until [ -e up ]; do sleep 0.01; done"
DAEMON = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
null = os.open(os.devnull, os.O_RDWR)
for fd in range(3): os.dup2(null, fd)
open("up", "w").close()
os.chdir("/")
os.execvp("sleep", ["sleep", os.environ["NAP"]])
"""
ESCAPES = {
    "background": f"{SLEEPER} & {WAIT}",
    "nohup": f"nohup {SLEEPER} >/dev/null 2>&1 & {WAIT}",
    "setsid": f"setsid {SLEEPER} & {WAIT}",
    "setsid that keeps our pipe": f"(setsid {SLEEPER} & ) & {WAIT}; exit 4",
    "double fork": f"'{sys.executable}' -c '{DAEMON}'; {WAIT}",
    "fifty": f"for i in $(seq 50); do setsid {SLEEPER} $i & done; "
    "for i in $(seq 50); do until [ -e up$i ]; do sleep 0.01; done; done",
    "killed parent": f"setsid {SLEEPER} & {WAIT}; kill -KILL $PPID; kill -KILL $$",
}


@pytest.mark.parametrize("script", ESCAPES.values(), ids=ESCAPES.keys())
def test_nothing_survives(place: Place, script: str) -> None:
    """However a process tries to get away, it is dead when the call returns, and not waited for."""
    done = place.sh(script)

    assert place.sleepers() == []
    assert done.duration_s < 5
    assert list(place.clone.glob("up*"))


def test_a_chain_of_forks_is_caught(place: Place) -> None:
    """Processes that fork and end faster than one can look are ended all the same."""
    chain = """
import os, time
os.setsid()
open("up", "w").close()
while True:
    if os.fork():
        os._exit(0)
    open("beat", "w").close()
"""
    place.sh(f"'{sys.executable}' -c '{chain}' & {WAIT}")

    beat = place.clone / "beat"
    beat.unlink(missing_ok=True)
    time.sleep(0.2)  # it beats every millisecond
    assert not beat.exists()


def test_a_timeout_kills_what_ignores_it(place: Place) -> None:
    """SIGTERM may be ignored, by the program and by what fled from it; the end comes."""
    done = place.sh(
        f"trap '' TERM; setsid {SLEEPER} & {WAIT}; while :; do sleep \"$NAP\"; done", timeout_s=1
    )

    assert done.timed_out
    assert 1 <= done.duration_s < 5
    assert place.sleepers() == []


def test_a_timeout_is_polite_first(open_place: Place) -> None:
    """A program that handles SIGTERM may clean up before it is killed."""
    done = open_place.sh('trap "touch cleaned; exit 9" TERM; sleep "$NAP" & wait', timeout_s=0.5)

    assert (done.timed_out, done.exit_code) == (True, 9)
    assert (open_place.clone / "cleaned").exists()


DRIVER = """
import json, os, sys
from pathlib import Path
from workflows.core import confinement, environment, process, signals
from workflows.core.errors import Terminated
from workflows.core.settings import Sandbox

base, sandbox, *args = sys.argv[1:]
base = Path(base)

def run():
    return confinement.run_confined(
        args, env=confinement.scrubbed({"NAP": os.environ["NAP"]}, base / "home"),
        cwd=base / "clone", home=base / "home", log=base / "log", timeout_s=60,
        sandbox=Sandbox(sandbox),
    )
"""


def driver(
    place: Place, body: str, *args: str, before: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """A process of its own that is "us" and holds a secret in its environment."""
    extra = {"PYTHONPATH": str(ROOT), "NAP": place.nap, "OUR_SECRET": SECRET}
    return subprocess.Popen(
        [*before, sys.executable, "-c", DRIVER + body, str(place.base), place.sandbox, *args],
        env=environment.for_child(extra.items()),
        stdout=subprocess.PIPE,
        text=True,
    )


def test_sigterm_to_us_leaves_nothing(place: Place) -> None:
    """`Terminated` goes on, in time, with the program and what fled from it dead."""
    body = """
with signals.terminable():
    try:
        run()
    except Terminated as error:
        sys.exit(error.exit_code)
"""
    script = f"trap '' TERM; setsid {SLEEPER} & {WAIT}; while :; do sleep \"$NAP\"; done"
    with driver(place, body, "sh", "-c", script) as us:
        wait_for(place.clone / "up")
        began = time.monotonic()
        us.send_signal(signal.SIGTERM)

        assert us.wait(10) == 143
        assert time.monotonic() - began < 4.5
    assert place.sleepers() == []


def test_with_bubblewrap_it_dies_even_with_our_sigkill(boxed_place: Place) -> None:
    """Nobody is left to clean up, and still nothing is left for long."""
    with driver(boxed_place, "run()", "sh", "-c", f"setsid {SLEEPER} & {WAIT}; wait") as us:
        wait_for(boxed_place.clone / "up")
        us.kill()
        us.wait(10)

    deadline = time.monotonic() + 5
    while boxed_place.sleepers():
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


# --- others of ours are left alone ---------------------------------------------------------------


def test_exit_codes_of_other_threads_are_not_stolen(open_place: Place) -> None:
    """Children that another thread runs meanwhile are neither killed nor reaped."""
    stop = threading.Event()
    codes: list[int] = []

    def others() -> None:
        while not stop.is_set():
            done = process.run(
                ["sh", "-c", "(exit 1); exit 7"],
                env=environment.for_child(),
                timeout_s=20,
                check=False,
            )
            codes.append(done.exit_code)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for _ in range(10):
            open_place.sh('for i in 1 2 3; do setsid sleep "$NAP" & done')
    finally:
        stop.set()
        thread.join()

    assert len(codes) >= 10
    assert set(codes) == {7}
    assert open_place.sleepers() == []


def test_runs_side_by_side_do_not_end_each_other(tmp_path: Path) -> None:
    """A daemon of one run lives until that run ends, whatever other runs end meanwhile."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (make_place(tmp_path / name, Sandbox.OFF) for name in ("a", "b"))
    daemon = "(setsid sh -c 'touch up; until [ -e other ]; do sleep 0.01; done; touch lived' &)"
    ended: list[Confined] = []
    thread = threading.Thread(
        target=lambda: ended.append(
            first.sh(f"{daemon}; until [ -e lived ]; do sleep 0.01; done; exit 5", timeout_s=15)
        )
    )
    thread.start()
    wait_for(first.clone / "up")

    second.sh('setsid sleep "$NAP" &')
    (first.clone / "other").touch()
    thread.join()

    assert [(done.exit_code, done.timed_out) for done in ended] == [(5, False)]


def test_a_server_of_ours_is_spared(open_place: Place) -> None:
    """What runs in the background of this process, in a session of its own, goes on."""
    with process.background(["sleep", "60"], env=environment.for_child()) as ours:
        library = subprocess.Popen(["sleep", "60"], start_new_session=True)
        try:
            open_place.sh('setsid sleep "$NAP" &')

            assert ours.poll() is None
            assert library.poll() is None
        finally:
            library.kill()
            library.wait()


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

    check = scrubbed({"CI": "1", "HOME": "/x"}, tmp_path)
    agent = scrubbed({}, tmp_path, proxy_passwords=True)

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
