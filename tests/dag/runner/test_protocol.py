"""What is read from a runner's answers, however they are written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workflows.dag.runner.protocol import JobState, RunnerJob, decode_job, decode_plain_job

_VALUES = st.sampled_from([*JobState, "PENDING", "j1", "", " ", 7, None, True, [], {}])
_FACTS = st.dictionaries(st.sampled_from(["jobId", "job_id", "state", "message"]), _VALUES)
_ANSWERS = st.dictionaries(st.sampled_from(["job", "jobId", "state"]), _FACTS | _VALUES)


@given(_ANSWERS | _FACTS | _VALUES)
@example({"job": {"jobId": "j1", "state": "QUEUED", "message": "not told while all is well"}})
@example({"job": {"jobId": "j1", "state": "FAILED", "message": "told"}})
@example({"job": {"jobId": "j1", "state": "UNKNOWN"}})
def test_a_plain_answer_is_read_as_any_other(answer: Any) -> None:
    body = json.dumps(answer).encode()

    plain = decode_plain_job(body)
    assert plain is None or plain == decode_job(body)


@pytest.mark.parametrize("state", ["NEW", "QUEUED", "RUNNING", "SUCCEEDED", "CANCELLING"])
def test_an_answer_as_documented_is_plain(state: str) -> None:
    body = json.dumps({"job": {"jobId": "j1", "state": state}}).encode()

    assert decode_plain_job(body) == RunnerJob("j1", JobState(state), "", state)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[", b"[]", b"null", b'"job"', b'{"job": 1}'])
def test_what_is_no_job_is_none(body: bytes) -> None:
    assert decode_plain_job(body) is None
    assert decode_job(body) is None
