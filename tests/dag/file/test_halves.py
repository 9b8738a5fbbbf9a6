"""A large file is read by two processors, and means what it means when one reads it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from tests.core.process.processes import ENV
from tests.dag.support import IMAGE, as_yaml, dags, load_text
from workflows.core import process
from workflows.dag.file import halves
from workflows.dag.file.templates import Template

if TYPE_CHECKING:
    from pathlib import Path

STEP = """- id: step-{n}
  description: a step that is as long as they are
  dependsOn: [step-0]
  retries: 2
  when: always
  env: {{LEVEL: "{n}"}}
  task: {{imageUri: {image}, args: [--number, "{{{{ steps.step-0.jobId }}}}", 7, true]}}
- id: flow-{n}
  timeout: 90s
  workflow: hello_world
  parameters: {{git_url: "https://git.example.com/a/b.git", branch: "{n}"}}
"""
COUNT = 2_000
WATCH = """
import sys, threading
from workflows.core import fork
from workflows.dag.file import halves
used = []
result = fork.Fork.result
def watched(self):
    data = result(self)
    used.append(data is not None)
    return data
fork.Fork.result = watched
halves.processors = lambda: 2  # whatever this machine has
"""
LOAD = f"""{WATCH}
from workflows.dag.file import loader
from workflows.dag.file.model import fingerprint
over = threading.Event()
if sys.argv[2] == "alone":
    threading.Thread(target=over.wait).start()
dag = loader.load(sys.argv[1])
over.set()
print(*used, fingerprint(dag), len(dag.steps))
"""
COMMAND = f"""{WATCH}
from workflows.cli.main import run
print(run(["dag", "validate", sys.argv[1]]), *used)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of steps of every kind; most could be left out and nothing would be missed."""
    steps = [STEP.format(n=n, image=IMAGE) for n in range(1, COUNT)]
    first = f"- id: step-0\n  task: {{imageUri: {IMAGE}}}\n"
    file = tmp_path_factory.mktemp("large") / "large.yaml"
    file.write_text("name: large\nsteps:\n" + first + "".join(steps))
    assert file.stat().st_size > halves.LARGE
    return file


def told(script: str, *args: str) -> list[str]:
    """What the last line says that the script prints."""
    done = process.run([sys.executable, "-c", script, *args], env=ENV, timeout_s=60)
    return done.stdout.splitlines()[-1].split()


def typed(value: Any) -> Any:
    """The value with its types and those of all that is in it."""
    if isinstance(value, tuple | list):
        return type(value), [typed(one) for one in value]
    if isinstance(value, dict):
        return type(value), [(typed(key), typed(one)) for key, one in value.items()]
    return type(value), value, getattr(value, "parts", None)


def test_two_processors_read_what_one_reads(large: Path) -> None:
    used, *both = told(LOAD, str(large), "together")
    alone, *one = told(LOAD, str(large), "alone")
    assert both == one
    assert int(both[1]) == 1 + 2 * (COUNT - 1)
    assert (used, alone) == ("True", "False")


def test_the_command_line_reads_with_two_processors(large: Path) -> None:
    """Its thread that waits for signals is no hindrance."""
    assert told(COMMAND, str(large)) == ["0", "True"]


def test_a_small_file_is_not_worth_a_fork(large: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.yaml"
    small.write_text(large.read_text()[: halves.LARGE // 2].rpartition("- id:")[0])
    assert told(COMMAND, str(small)) == ["0"]


def test_one_processor_reads_alone(large: Path) -> None:
    """`sched_setaffinity` is what `taskset` and cpusets of containers do."""
    alone = COMMAND.replace(
        "halves.processors = lambda: 2", "import os; os.sched_setaffinity(0, {%d})"
    )
    first = min(os.sched_getaffinity(0))
    assert told(alone % first, str(large)) == ["0"]


def test_a_mistake_in_either_half_is_told_with_its_line(large: Path, tmp_path: Path) -> None:
    lines = large.read_text().splitlines(keepends=True)
    wrong = tmp_path / "wrong.yaml"
    places = [number for number, line in enumerate(lines) if "retries: 2" in line]
    for at in (places[1], places[-1]):
        text = [*lines[:at], lines[at].replace("2", "two"), *lines[at + 1 :]]
        wrong.write_text("".join(text))
        args = [sys.executable, "-m", "workflows", "dag", "validate", str(wrong)]
        done = process.run(args, env=ENV, timeout_s=60, check=False)
        assert done.exit_code == 2
        assert f"wrong.yaml:{at + 1}:" in done.stdout + done.stderr


@settings(max_examples=100, deadline=None)
@given(dags())
def test_a_step_is_the_same_when_it_comes_from_the_other_process(raw: dict[str, Any]) -> None:
    steps = list(load_text(as_yaml(raw)).steps)
    assert typed(halves._from_bytes(halves._to_bytes(steps))) == typed(steps)


def test_places_for_job_ids_come_with_a_step() -> None:
    text = f"""name: a
steps:
- id: a
  task: {{imageUri: {IMAGE}}}
- id: b
  dependsOn: [a]
  task: {{imageUri: {IMAGE}, args: ["x {{{{ steps.a.jobId }}}}"]}}
"""
    steps = list(load_text(text).steps)
    (one,) = [step.task.args for step in halves._from_bytes(halves._to_bytes(steps)) if step.task][
        1
    ]
    assert isinstance(one, Template)
    assert typed(one) == typed(steps[1].task.args[0] if steps[1].task else None)
