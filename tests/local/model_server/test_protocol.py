"""The shape of OpenAI's API, seen by a plain HTTP client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.model_server.support import Client, events, record, text_of
from workflows.local.model_server import RecordedModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_an_answer_in_one_piece(model: Client) -> None:
    answer = model.ask("please greet me")

    data = answer.json()
    assert answer.status_code == 200
    assert data["object"] == "chat.completion"
    assert data["model"] == "gpt-4o"
    assert data["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello wörld"},
            "finish_reason": "stop",
        }
    ]
    assert data["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def test_a_streamed_answer_comes_in_the_recorded_pieces(model: Client) -> None:
    answer = model.ask("greet", stream=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, last, done = events(answer)
    assert [c["choices"][0]["delta"].get("content") for c in chunks] == ["", "Hello ", "wörld"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {c["object"] for c in chunks} == {"chat.completion.chunk"}
    assert len({c["id"] for c in chunks}) == 1
    assert last["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"


def test_usage_ends_a_stream_only_where_it_is_asked_for(model: Client) -> None:
    with_usage = events(model.ask("greet", stream=True, stream_options={"include_usage": True}))
    without = events(model.ask("greet", stream=True))

    assert with_usage[-2]["choices"] == []
    assert with_usage[-2]["usage"]["total_tokens"] == 9
    assert all("usage" not in event for event in without[:-1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_recorded_tool_call_is_made(
    tmp_path: Path, start: Callable[..., Client], *, stream: bool
) -> None:
    call = {"name": "read_files", "arguments": '{"file_paths": ["a"]}'}
    record(tmp_path, "t", when={"contains": ["read"]}, answer="", tool_calls=[call])

    answer = start(tmp_path).ask("read it", stream=stream)

    if stream:
        *_, called, last, _ = events(answer)
        made = called["choices"][0]["delta"]["tool_calls"][0]
        assert made["index"] == 0
        reason = last["choices"][0]["finish_reason"]
    else:
        choice = answer.json()["choices"][0]
        made, reason = choice["message"]["tool_calls"][0], choice["finish_reason"]
        assert choice["message"]["content"] is None
    assert made["type"] == "function"
    assert made["function"] == call
    assert reason == "tool_calls"


def test_the_models_are_listed(model: Client) -> None:
    data = model.http.get(f"{model.base_url}/v1/models").json()

    assert data["object"] == "list"
    assert {"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "workflows"} in data[
        "data"
    ]


def test_an_unknown_prompt_says_which_and_how_to_record_it(model: Client) -> None:
    answer = model.ask("Speak " + "x" * 500)

    error = answer.json()["error"]
    assert answer.status_code == 404
    assert error["code"] == "prompt_not_recorded"
    assert "'Speak " + "x" * 194 + "'" in error["message"]
    assert "workflows local model --record" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"greet"',
        b"{}",
        b'{"messages": []}',
        b'{"messages": "greet"}',
        b'{"messages": ["greet"]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_chat_request_is_refused(model: Client, body: bytes) -> None:
    answer = model.http.post(f"{model.base_url}/v1/chat/completions", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert not model.model.requests


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user"},
        {"role": "user", "content": None},
        {"role": "user", "content": 5},
        {"role": "user", "content": [3, {"type": "image_url"}, {"text": None}]},
        {"role": 7, "content": "x", "tool_calls": 5},
        {"role": "assistant", "tool_calls": [None, {"function": 1}]},
    ],
)
def test_odd_messages_are_an_unknown_prompt(model: Client, message: object) -> None:
    answer = model.ask("", messages=[message])

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "prompt_not_recorded"


def test_other_addresses_are_named(model: Client) -> None:
    answer = model.http.post(f"{model.base_url}/v1/embeddings", json={})

    assert answer.status_code == 404
    assert "/v1/embeddings" in answer.json()["error"]["message"]


def test_a_key_is_asked_for_where_one_is_set(
    recordings: Path, start: Callable[..., Client]
) -> None:
    client = start(recordings, key="sk-right")

    without = client.ask("greet")
    client.http.headers["Authorization"] = "Bearer sk-wröng"
    wrong = client.http.get(f"{client.base_url}/v1/models")
    client.http.headers["Authorization"] = "Bearer sk-right"
    right = client.ask("greet")

    assert [without.status_code, wrong.status_code, right.status_code] == [401, 401, 200]


def test_what_was_asked_is_kept_for_tests(model: Client) -> None:
    model.http.headers["X-Test"] = "here"

    model.ask("greet  me")

    (asked,) = model.model.requests
    assert asked.prompt == "greet me"
    assert asked.headers["x-test"] == "here"


def test_it_fails_as_told_and_then_no_more(model: Client) -> None:
    model.model.faults.fail_next = [429, 500]

    answers = [model.ask("greet").status_code for _ in range(3)]

    assert answers == [429, 500, 200]


def test_it_hangs_up_in_the_middle_as_told(model: Client) -> None:
    model.model.faults.drop_next = 1

    with pytest.raises(httpx.RemoteProtocolError):
        model.ask("greet", stream=True)

    assert text_of(events(model.ask("greet", stream=True))) == "Hello wörld"


def test_it_takes_its_time_as_told(model: Client) -> None:
    model.model.faults.latency_s = 0.3

    before = time.monotonic()
    model.ask("greet")

    assert time.monotonic() - before >= 0.3


def test_a_model_can_be_made_before_its_folder(tmp_path: Path) -> None:
    model = RecordedModel(tmp_path / "later")

    assert not model.requests
