"""What is decoded from a runner's responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.dag.runner.protocol import JobState, RunnerJob, decode_job

_VALUES = st.sampled_from([*JobState, "PENDING", "j1", "", " ", 7, None, True, [], {}])
_FACTS = st.dictionaries(st.sampled_from(["jobId", "job_id", "state", "message"]), _VALUES)
_RESPONSES = st.dictionaries(st.sampled_from(["job", "jobId", "state"]), _FACTS | _VALUES)


@given(_RESPONSES | _FACTS | _VALUES)
def test_whatever_json_comes_is_a_job_with_an_id_or_none(response: Any) -> None:
    job = decode_job(json.dumps(response).encode())

    assert job is None or (job.id and isinstance(job.state, JobState))


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.UNKNOWN])
def test_a_job_as_documented_is_decoded_with_or_without_the_outer_object(state: str) -> None:
    facts = {"jobId": "j1", "state": state}
    expected = RunnerJob("j1", JobState(state), "", state)

    assert decode_job(json.dumps({"job": facts}).encode()) == expected
    assert decode_job(json.dumps(facts).encode()) == expected


@pytest.mark.parametrize(("state", "message"), [("FAILED", "why"), ("QUEUED", "")])
def test_the_message_is_kept_for_a_job_that_has_failed_only(state: str, message: str) -> None:
    body = json.dumps({"job": {"jobId": "j1", "state": state, "message": "why"}}).encode()

    assert decode_job(body) == RunnerJob("j1", JobState(state), message, state)


def test_an_unknown_state_keeps_its_text() -> None:
    body = json.dumps({"job": {"jobId": 7, "state": "paused"}}).encode()

    assert decode_job(body) == RunnerJob("7", JobState.UNKNOWN, "", "paused")


@pytest.mark.parametrize("body", [b"", b"\xff", b"[", b"[]", b"null", b'"job"', b'{"job": 1}'])
def test_a_body_without_a_job_gives_none(body: bytes) -> None:
    assert decode_job(body) is None
