"""Gives every gcloud line of the make targets and the documents to the real gcloud, offline.

gcloud reads its arguments before it looks for an account: a wrong flag is refused, a right line
gets as far as "no active account". The lines are those the tools really run, against a stand-in
that notes them; their names come from the deployment that infra-check made.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import stat
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workflows.core import process
from workflows.core.config import environment

ROOT = Path(__file__).resolve().parents[2]
_DEPLOYMENT = ROOT / "build" / "infra-check" / "deployment"
_DIGEST = "sha256:" + "a" * 64
_NOTED = {"state": "ACTIVE", "deadLetterPolicy": {}, "bindings": []}
_GOT_FAR = re.compile(r"active account|application-default|gcloud auth login|credentials")
_TIMEOUT_S = 120.0
_TOOLS = (
    ["-m", "tools.infra.build_and_push"],
    ["-m", "tools.infra.deploy_jobs"],
    ["-m", "tools.infra.verify_deployment"],
    [
        "-m",
        "tools.infra.publish",
        "hello_world",
        '{"git_url": "https://gitlab.example.com/a/b.git"}',
    ],
)

Line = tuple[str, ...]


def main() -> int:
    """Check every line; 1 where gcloud refuses one, or where it is missing."""
    if shutil.which("gcloud") is None:
        print("gcloud is not on PATH; see https://cloud.google.com/sdk/docs/install")
        return 1
    with tempfile.TemporaryDirectory(prefix="gcloud-lines-") as folder:
        lines = _different([*_of_tools(Path(folder)), *_of_documents()])
        config = Path(folder) / "config"
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda line: _refused(line, config), lines))
    refused = [answer for answer in answers if answer]
    for answer in refused:
        print(answer)
    print(f"{len(lines)} command lines, {len(refused)} refused")
    return 1 if refused or not lines else 0


def _of_tools(folder: Path) -> list[Line]:
    """What the tools run, seen by programs that stand in for gcloud, terraform and git."""
    programs, noted = folder / "bin", folder / "noted"
    programs.mkdir()
    shutil.copytree(ROOT / "tools" / "infra", folder / "tools" / "infra")
    shutil.copy(ROOT / "cloudbuild.yaml", folder)
    (folder / "infrastructure" / ".terraform").mkdir(parents=True)
    for name in ("workflow_trigger", "gitlab_webhook", "http_publisher"):
        (folder / "build" / "functions" / name).mkdir(parents=True)
    (folder / "outputs.json").write_text(_outputs())
    answer = f"case $* in *value*digest*) echo {_DIGEST} ;; *) echo '{json.dumps(_NOTED)}' ;; esac"
    _program(programs / "gcloud", f'printf "%s\\0" "$@" END >>{noted}\n{answer}')
    _program(programs / "terraform", f"cat {folder}/outputs.json")
    _program(programs / "git", "case $* in *rev-parse*) echo 0123abc ;; esac")
    child = environment.whole() | {
        "PATH": f"{programs}:{environment.variable('PATH')}",
        "PYTHONPATH": f"{folder}:{ROOT}",
        "PROJECT": "my-project",
    }
    for words in _TOOLS:
        _run([sys.executable, *words], child, folder)
    _run(["sh", str(folder / "tools" / "infra" / "terraform.sh"), "plan"], child, folder)
    return _split(noted.read_text())


def _run(args: list[str], child: dict[str, str], folder: Path) -> None:
    process.run(args, env=child, cwd=folder, timeout_s=_TIMEOUT_S, check=False)


def _outputs() -> str:
    args = ["terraform", f"-chdir={_DEPLOYMENT}", "output", "-json"]
    return process.run(args, env=environment.whole(), timeout_s=_TIMEOUT_S).stdout


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _split(noted: str) -> list[Line]:
    calls = noted.split("\0END\0")
    return [tuple(call.split("\0")) for call in calls if call]


def _of_documents() -> list[Line]:
    """The gcloud commands in the shell blocks of the documents."""
    lines = []
    for path in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("infrastructure/**/*.md")]:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL):
            for command in block.replace("\\\n", " ").splitlines():
                found = re.search(r"(?:^|\| )gcloud (.*)", command)
                if found and not found[1].endswith("login"):  # those ask a person
                    lines.append(tuple(shlex.split(found[1], comments=True)))
    return lines


def _different(lines: list[Line]) -> list[Line]:
    """One line of each kind: the same command with the same flags need not be asked twice."""
    kinds = {
        tuple(word.split("=")[0] if word.startswith("--") else word for word in _kind(line)): line
        for line in lines
    }
    return list(kinds.values())


def _kind(line: Line) -> Line:
    known = {"describe", "update", "get-iam-policy", "publish", "submit", "list", "add", "create"}
    for at, word in enumerate(line):
        if word in known:
            return (*line[: at + 1], *(word for word in line[at:] if word.startswith("--")))
    return line


def _refused(line: Line, config: Path) -> str | None:
    child = environment.whole() | {
        "CLOUDSDK_CONFIG": str(config),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    }
    args = ["gcloud", *line]
    done = process.run(args, env=child, timeout_s=_TIMEOUT_S, check=False, stdin=b"")
    if done.exit_code == 0 or _GOT_FAR.search(done.stderr):
        return None
    return f"gcloud {shlex.join(line)}\n{done.stderr.strip()}"


if __name__ == "__main__":
    sys.exit(main())
