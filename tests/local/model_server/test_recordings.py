"""Which answer is found for a prompt, and how new ones are recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.model_server.support import Client, events, record, text_of
from workflows.local.model_server import DEMO_RECORDINGS, RecordedModel, RecordingInvalid, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "sk-upstream-0123456789abcdef"


def test_several_answers_play_in_order_and_the_last_repeats(
    tmp_path: Path, start: Callable[..., Client]
) -> None:
    for number in (1, 2):
        record(tmp_path, f"{number}", when={"contains": ["go"]}, answer=f"answer {number}")
    client = start(tmp_path)

    assert [client.said("go") for _ in range(3)] == ["answer 1", "answer 2", "answer 2"]


def test_the_narrower_recording_is_meant(tmp_path: Path, start: Callable[..., Client]) -> None:
    record(tmp_path, "a", when={"contains": ["total"]}, answer="wide")
    record(tmp_path, "b", when={"contains": ["total", "basket"]}, answer="narrow")
    client = start(tmp_path)

    assert client.said("the total of a basket") == "narrow"
    assert client.said("the total of a till") == "wide"


def test_only_what_the_user_said_is_searched(tmp_path: Path, start: Callable[..., Client]) -> None:
    record(tmp_path, "a", when={"contains": ["secret word"]}, answer="yes")
    messages = [
        {"role": "system", "content": "secret word"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
    ]

    assert start(tmp_path).ask("", messages=messages).status_code == 404


@pytest.mark.parametrize("stream", [False, True])
def test_a_recording_plays_what_the_real_model_said(
    recordings: Path, tmp_path: Path, start: Callable[..., Client], *, stream: bool
) -> None:
    """The model records from another instance of itself, then answers without it."""
    real = start(recordings, key=KEY)
    folder = tmp_path / "new"
    recorder = start(folder, upstream=Upstream(f"{real.base_url}/v1", KEY))
    more = {"stream": stream, "stream_options": {"include_usage": True}} if stream else {}

    live = recorder.ask("greet me", **more)
    played = start(folder).ask("greet me", **more)

    if stream:
        assert text_of(events(live)) == text_of(events(played)) == "Hello wörld"
        assert events(played)[-2]["usage"]["total_tokens"] == 9
    else:
        assert live.json()["choices"] == played.json()["choices"]
        assert live.json()["usage"] == played.json()["usage"]


def test_recorded_tool_calls_play_again(tmp_path: Path, start: Callable[..., Client]) -> None:
    calls = [{"name": "read_files", "arguments": "{}"}, {"name": "query", "arguments": '{"q":1}'}]
    record(tmp_path / "real", "t", when={"contains": ["read"]}, answer="ok", tool_calls=calls)
    real = start(tmp_path / "real")
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))

    recorder.ask("read", stream=True)
    played = start(tmp_path / "new").ask("read").json()["choices"][0]["message"]

    assert [call["function"] for call in played["tool_calls"]] == calls
    assert played["content"] == "ok"


def test_a_recording_is_found_again_where_only_accidents_differ(
    recordings: Path, tmp_path: Path, start: Callable[..., Client]
) -> None:
    """Folders, times, ids and ports of another run do not matter; other words do."""
    real = start(recordings)
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))
    said = "greet /tmp/run-{0}/x.py at 2026-01-0{0}T10:00:0{0}Z, 12f4a5{0}, http://127.0.0.1:80{0}/"

    recorder.ask(said.format(1))
    player = start(tmp_path / "new")

    assert player.ask(said.format(2)).status_code == 200
    assert player.ask(said.format(2) + " loudly").status_code == 404


def test_each_turn_of_a_talk_is_a_recording_of_its_own(
    tmp_path: Path, start: Callable[..., Client]
) -> None:
    for number in (1, 2):
        record(tmp_path / "real", f"{number}", when={"contains": ["go"]}, answer=f"turn {number}")
    real = start(tmp_path / "real")
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))
    first = [{"role": "user", "content": "go"}]
    second = [*first, {"role": "tool", "tool_call_id": "1", "content": "the file"}]

    recorder.ask("", messages=first)
    recorder.ask("", messages=second)
    player = start(tmp_path / "new")

    said = [
        player.ask("", messages=talk).json()["choices"][0]["message"]["content"]
        for talk in (second, first, second)
    ]
    assert said == ["turn 2", "turn 1", "turn 2"]


def test_the_key_goes_upstream_and_into_no_recording(
    tmp_path: Path, start: Callable[..., Client]
) -> None:
    record(tmp_path / "real", "a", when={"contains": ["say"]}, answer=f"your key is {KEY}")
    real = start(tmp_path / "real", key=KEY)
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))

    recorder.ask(f"say {KEY}")

    assert real.model.requests[0].headers["authorization"] == f"Bearer {KEY}"
    (written,) = (tmp_path / "new").iterdir()
    assert KEY not in written.read_text()
    assert KEY not in repr(Upstream("x", KEY))


def test_a_client_cannot_send_its_own_key_upstream(
    recordings: Path, tmp_path: Path, start: Callable[..., Client]
) -> None:
    real = start(recordings, key=KEY)
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))
    recorder.http.headers["Authorization"] = "Bearer of-the-client"

    assert recorder.ask("greet").status_code == 200


@pytest.mark.parametrize("fault", [401, 429, 500])
def test_a_failure_is_passed_on_and_not_recorded(
    recordings: Path, tmp_path: Path, start: Callable[..., Client], fault: int
) -> None:
    real = start(recordings)
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))
    real.model.faults.fail_next = [fault]

    assert recorder.ask("greet").status_code == fault
    assert not list((tmp_path / "new").glob("*"))


def test_an_answer_that_breaks_off_is_not_recorded(
    recordings: Path, tmp_path: Path, start: Callable[..., Client]
) -> None:
    real = start(recordings)
    recorder = start(tmp_path / "new", upstream=Upstream(f"{real.base_url}/v1", KEY))
    real.model.faults.drop_next = 1

    with pytest.raises(httpx.RemoteProtocolError):
        recorder.ask("greet", stream=True)

    assert not list((tmp_path / "new").glob("*"))


def test_an_upstream_that_is_not_there_is_a_502(
    tmp_path: Path, start: Callable[..., Client]
) -> None:
    recorder = start(tmp_path, upstream=Upstream("http://127.0.0.1:1/v1", KEY))

    answer = recorder.ask("greet")

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"when": {}, "answer": "x"}',
        '{"when": {"contains": "x"}, "answer": "x"}',
        '{"when": {"contains": ["x"], "sha256": "y"}, "answer": "x"}',
        '{"when": {"contains": [5]}, "answer": "x"}',
        '{"when": {"contains": ["x"]}}',
        '{"when": {"contains": ["x"]}, "answer": [1]}',
        '{"when": {"contains": ["x"]}, "answer": "x", "usage": {"a": "b"}}',
    ],
)
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)

    with pytest.raises(RecordingInvalid, match=r"odd\.json"):
        RecordedModel(tmp_path)


def test_the_demo_recordings_are_packaged_and_say_whom_they_answer() -> None:
    found = [json.loads(path.read_text()) for path in DEMO_RECORDINGS.glob("*.json")]

    assert ["The total of a basket is 0"] in [one["when"]["contains"] for one in found]
