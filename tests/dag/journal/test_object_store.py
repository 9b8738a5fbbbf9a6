"""Journals in Cloud Storage, against the real fake-gcs-server."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.dag.plain_runner import PlainRunner
from tests.dag.running import dag, run, step
from workflows.core.errors import RunConflict
from workflows.core.google import storage
from workflows.dag.journal import events
from workflows.dag.journal.events import RunHeader
from workflows.dag.journal.object_store import ObjectJournal
from workflows.dag.journal.stores import read_run_record
from workflows.task_runner import Mock, MockPlan, TaskRunner

if TYPE_CHECKING:
    from tests.gcs import Bucket


def test_a_run_is_resumed_from_an_object(gcs: Bucket) -> None:
    what = dag(step("a"), step("b", "a"))
    server = TaskRunner(Mock(MockPlan.model_validate({"jobs": [{"job": "b", "fail_times": 1}]})))
    options: dict[str, Any] = {"journal": gcs.url("runs"), "run_id": "r1", "resume": True}
    with server.serve() as url:
        assert not run(what, url, **options).succeeded
        summary = run(what, url, **options)
    assert summary.succeeded
    assert server.ran == {"a": 1, "b": 2}
    past = read_run_record(gcs.url("runs"), "r1")
    assert past
    assert past.ended == "succeeded"


def test_of_two_processes_that_begin_at_once_one_is_refused(gcs: Bucket) -> None:
    header = RunHeader("r1", "test", "0", ["a"])
    one = ObjectJournal.open_object(gcs.url("r1.json"))
    two = ObjectJournal.open_object(gcs.url("r1.json"))
    one.begin(header)
    with pytest.raises(RunConflict, match="taken over"):
        two.begin(header)
    one.close("succeeded")


def test_an_attempt_is_in_the_object_before_its_job_is_submitted(gcs: Bucket) -> None:
    server = PlainRunner(MockPlan())
    known: list[list[int]] = []

    async def read(_: int) -> None:
        record = await asyncio.to_thread(read_run_record, gcs.url("runs"), "r1")
        assert record
        known.append(sorted(record.steps))

    server.before_submission = read
    with server.serve() as url:
        summary = run(dag(step("a"), step("b", "a")), url, journal=gcs.url("runs"), run_id="r1")
    assert summary.succeeded, summary.failed
    assert known == [[0], [0, 1]]


def _dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid


HOST = platform.node()


@pytest.mark.parametrize(
    ("holder", "left_s", "ended", "free"),
    [
        ("elsewhere/1", 30, "", False),
        ("elsewhere/1", -1, "", True),
        ("elsewhere/1", 30, "failed", True),
        (f"{HOST}/{os.getppid()}", 30, "", False),
        (f"{HOST}/{os.getpid()}", 30, "", True),
        (f"{HOST}/{_dead_process()}", 30, "", True),
        (f"{HOST}/", 30, "", False),
    ],
    ids=["lives", "lease over", "ended", "lives here", "is this process", "is gone", "has no id"],
)
def test_a_run_is_taken_over_only_from_a_process_that_does_not_go_on(
    gcs: Bucket, holder: str, left_s: float, ended: str, *, free: bool
) -> None:
    header = RunHeader("r1", "test", "0", ["a"])
    facts = {
        "header": header.facts(),
        "holder": holder,
        "lease_until": time.time() + left_s,
        "ended": ended,
        "events": events.event_lines([events.submission_event(0, 1, 5.0)]),
    }
    storage.write_object(gcs.url("r1.json"), json.dumps(facts).encode(), if_generation_match=0)

    if not free:
        with pytest.raises(RunConflict, match="running in another process"):
            ObjectJournal.open_object(gcs.url("r1.json"))
        return
    journal = ObjectJournal.open_object(gcs.url("r1.json"))
    record = journal.record()
    assert record
    assert (record.ended, record.steps[0].attempt) == (ended, 1)
    journal.begin(header)
    journal.note(events.job_event(0, 1, "job-1", 6.0))
    journal.close("")
    after = read_run_record(gcs.url(""), "r1")
    assert after
    assert (after.ended, after.steps[0].job_id) == ("", "job-1")
    assert after.steps[0].began == 5.0  # what was in the object before is still there


def test_the_lease_is_over_when_the_journal_is_closed(gcs: Bucket) -> None:
    header = RunHeader("r1", "test", "0", ["a"])
    journal = ObjectJournal.open_object(gcs.url("r1.json"))
    journal.begin(header)
    held = json.loads(storage.read_object(gcs.url("r1.json"), limit_bytes=10_000))
    journal.close("")
    closed = json.loads(storage.read_object(gcs.url("r1.json"), limit_bytes=10_000))

    assert held["holder"] == f"{HOST}/{os.getpid()}"
    assert 50 < held["lease_until"] - time.time() <= 60
    assert closed["lease_until"] <= time.time()
