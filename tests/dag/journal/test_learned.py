"""How long steps took in earlier runs: kept from run to run, and never in the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from workflows.dag.journal.learned import LearnedDurations

if TYPE_CHECKING:
    from pathlib import Path


def test_durations_are_the_mean_of_this_run_and_of_what_was_known(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "durations"
    LearnedDurations(folder, "dag").learn({"x": 2.0, "y": 4.0})
    LearnedDurations(folder, "dag").learn({"x": 3.0})

    assert LearnedDurations(folder, "dag").durations_s == {"x": 2.5, "y": 4.0}
    assert LearnedDurations(folder, "another").durations_s == {}


def test_thousandths_of_a_second_are_kept(tmp_path: Path) -> None:
    LearnedDurations(tmp_path, "dag").learn({"x": 1.23456})

    assert LearnedDurations(tmp_path, "dag").durations_s == {"x": 1.235}


def test_short_steps_are_kept_only_if_they_were_long_before(tmp_path: Path) -> None:
    learned = LearnedDurations(tmp_path, "dag")
    learned.learn({"long": 0.5, "short": 0.49})
    learned.learn({"long": 0.1, "short": 0.1})

    assert LearnedDurations(tmp_path, "dag").durations_s == {"long": 0.3}


def test_nothing_is_written_where_there_is_nothing_to_learn(tmp_path: Path) -> None:
    LearnedDurations(tmp_path / "durations", "dag").learn({"x": 0.1})
    LearnedDurations(None).learn({"x": 9.0})

    assert list(tmp_path.iterdir()) == []


def test_any_name_of_a_dag_is_one_file(tmp_path: Path) -> None:
    LearnedDurations(tmp_path, "../a/b" + "c" * 300).learn({"x": 1.0})

    (file,) = tmp_path.iterdir()
    assert file.name.startswith("..%2Fa%2Fbccc")
    assert len(file.name) == 205


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"x": "soon"}', '{"x": null}', "\udcff"])
def test_a_file_that_makes_no_sense_counts_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "dag.json").write_bytes(text.encode(errors="surrogateescape"))

    learned = LearnedDurations(tmp_path, "dag")
    learned.learn({"x": 1.0})

    assert json.loads((tmp_path / "dag.json").read_text()) == {"x": 1.0}


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "durations").write_text("a file")

    learned = LearnedDurations(tmp_path / "durations", "dag")
    learned.learn({"x": 1.0})

    assert learned.durations_s == {"x": 1.0}
