"""Files made to hurt: each is refused in bounded time and memory, and large sound ones are not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.dag.support import findings, layered

if TYPE_CHECKING:
    from pathlib import Path

# loads a file in a process of its own and prints steps or findings, CPU seconds, and memory
PROBE = r"""
import json, re, resource, sys, time
from workflows.core.errors import DagInvalid
from workflows.dag.file.loader import load_dag
def peak_mb():
    try:  # not what the process that started this one needed
        return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
before = peak_mb()
start = time.process_time()
try:
    said = {"steps": len(load_dag(sys.argv[1], {}).steps)}
except DagInvalid as error:
    said = {"found": [one.text("") for one in error.findings]}
said["cpu_s"] = time.process_time() - start
said["more_mb"] = peak_mb() - before
print(json.dumps(said))
"""


def probed(path: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def billion_laughs(levels: int) -> str:
    lines = ["x0: &x0 [lol, lol]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\nsteps: []\n"


ITEM = "- {id: a, task: {imageUri: x}}\n"
BOMBS = {
    "laughs": (billion_laughs(12), "aliases add more than 100,000 values"),
    "flow depth": ("steps: " + "[" * 1_000_000, "nested more than 64 levels"),
    "block depth": (
        "\n".join(" " * n + "a:" for n in range(3_000)),
        "nested more than 64 levels",
    ),
    "dash depth": ("steps:\n" + "- " * 100_000, "nested more than 64 levels"),
    "dashes of a step": ("steps:\n- a: b\n- " + "- " * 100_000, "nested more than 64 levels"),
    "dashes of a line": ("steps:\n- a:\n    " + "- " * 100_000, "nested more than 64 levels"),
    "one long number": ("steps:\n- a: " + "1" * 10_000_000 + "\n", "unknown key"),
    "explicit keys": ("? " * 100_000, "a key must be a text"),
    "size": ("# \n" * 7_000_000, "the limit is 20,971,520"),
    "steps": ("steps:\n" + ITEM * 100_001, "100,001 steps, the limit is 100,000"),
    "flow steps": ("steps: [" + "a," * 100_001 + "]", "100,001 steps, the limit is 100,000"),
    "values": ("steps: [" + "[]," * 6_000_000 + "]", "more than 5,000,000 values"),
    "values of a step": ("steps:\n- {id: a, task: [" + "1," * 9_000_000 + "]}", "more than 5,000"),
    "one long key": ("a" * 5_000_000 + ": 1\n", "not readable"),
    "one long text": ("name: " + "a" * 5_000_000 + "\nsteps: [1]\n", "use 1 to 256 printable"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_not_go_off(tmp_path: Path, name: str) -> None:
    text, words = BOMBS[name]
    path = tmp_path / "bomb.yaml"
    path.write_text(text)

    said = probed(path)

    assert words in str(said["found"])
    assert len(str(said["found"])) < 30_000
    assert float(str(said["cpu_s"])) < 30
    assert float(str(said["more_mb"])) < 400


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": [' + "[" * 900_000,
        '{"a": ' * 200_000,
        '{"steps": [' + "{}," * 120_000 + "{}]}",
        '{"steps": [' + "1," * 9_000_000 + "1]}",
    ],
    ids=["depth", "mappings", "steps", "values"],
)
def test_a_json_bomb_does_not_go_off_either(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bomb.json"
    path.write_text(text)

    said = probed(path)

    assert said["found"]
    assert float(str(said["cpu_s"])) < 30
    assert float(str(said["more_mb"])) < 400


def test_100_000_steps_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(layered(100_000))  # 13 MB; measured: 4.4 s of CPU, 110 MB

    said = probed(path)

    assert said["steps"] == 100_000
    assert float(str(said["cpu_s"])) < 20
    assert float(str(said["more_mb"])) < 150


def test_10_000_steps_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(layered(10_000))

    said = probed(path)

    assert said["steps"] == 10_000
    assert float(str(said["more_mb"])) < 30


FORMS = {
    "a line for each step": ("dag.yaml", "steps:\n", "- x\n", ""),
    "a line for each step, and an anchor": ("dag.yaml", "name: &a b\nsteps:\n", "- x\n", ""),
    "flow style": ("dag.yaml", "steps: [", "x,", "]"),
    "JSON": ("dag.json", '{"steps": [0', ",0", "]}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_limit_of_steps_is_exact_in_every_notation(form: str) -> None:
    file, start, one, end = FORMS[form]
    first = start.count("0")

    most = findings(start + one * (100_000 - first) + end, file=file)
    more = findings(start + one * (100_001 - first) + end, file=file)

    assert not [one for one in most if "the limit is" in one.message]
    assert [one.message for one in more] == ["100,001 steps, the limit is 100,000"]
