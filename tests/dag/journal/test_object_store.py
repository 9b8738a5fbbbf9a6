"""Journals in Cloud Storage, against the real fake-gcs-server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dag.running import dag, run, step
from workflows.core.errors import RunConflict
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
