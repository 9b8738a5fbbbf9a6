"""OpenAI's chat completions as plain data: what a request asks, what an answer looks like. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]
_BYTES_PER_TOKEN = 4  # a rough guess where a recording does not say

# What differs from run to run in equal prompts, and its replacement. The order matters.
_CHANGING = (
    (re.compile(r"https?://(?:127\.0\.0\.1|localhost)(?::\d+)?"), "<server>"),
    (
        re.compile(r"(?<![\w.])/(?:tmp|var|private|home|root|Users|workspace)/[^\s'\"`)\]}>,;:]+"),
        "<path>",
    ),
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
        ),
        "<date>",
    ),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b"), "<id>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|seconds)\b"), "<duration>"),
    (re.compile(r"\s+"), " "),
)


class ChatRequestInvalid(Exception):
    """The body is no chat request; the text says why."""


@dataclass(frozen=True)
class ChatRequest:
    """One request. `asked`: the texts of the user; `said`: all texts but those of the system."""

    model: str
    stream: bool
    include_usage: bool
    asked: str
    said: str
    last: str

    @property
    def sha256(self) -> str:
        """Hash of the whole conversation; a recording may name it."""
        return hashlib.sha256(self.said.encode()).hexdigest()


@dataclass(frozen=True)
class ChatAnswer:
    """An answer of the model: text in the pieces that are streamed, and the tools to call.

    A tool call is `{"name": …, "arguments": JSON text}`.
    """

    chunks: tuple[str, ...] = ()
    tool_calls: tuple[Mapping[str, str], ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chunks)

    @property
    def finish_reason(self) -> str:
        """Why the model stopped, in OpenAI's terms."""
        return "tool_calls" if self.tool_calls else "stop"


def normalised(text: str) -> str:
    """`text` without what changes from run to run: paths, dates, ids, durations, white space."""
    for pattern, replacement in _CHANGING:
        text = pattern.sub(replacement, text)
    return text.strip()


def read_chat_request(body: bytes) -> ChatRequest:
    """Read a request.

    Raises:
        ChatRequestInvalid: it is no JSON object with a list of messages.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ChatRequestInvalid("the body is not JSON") from None
    messages = _messages(data)
    options = data.get("stream_options")
    asked = [_text(message) for message in messages if message.get("role") == "user"]
    said = [
        f"{message.get('role')}: {_text(message)}"
        for message in messages
        if message.get("role") not in {"system", "developer"}
    ]
    return ChatRequest(
        model=str(data.get("model", "")),
        stream=data.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        asked=normalised("\n\n".join(asked)),
        said=normalised("\n\n".join(said)),
        last=asked[-1] if asked else "",
    )


def _messages(data: Any) -> list[Json]:
    messages = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ChatRequestInvalid("'messages' must be a list with at least one message")
    if not all(isinstance(message, dict) for message in messages):
        raise ChatRequestInvalid("each message must be an object")
    return messages


def _text(message: Json) -> str:
    """The text of a message: a string, or the text parts of a list; then its tool calls."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    words = [content] if isinstance(content, str) else []
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            words.append(f"{function.get('name')} {function.get('arguments')}")
    return "\n".join(words)


def completion_body(asked: ChatRequest, answer: ChatAnswer, number: int) -> Json:
    """The body of an answer that is not streamed."""
    message: Json = {"role": "assistant", "content": answer.text or None}
    if answer.tool_calls:
        message["tool_calls"] = _tool_calls(answer.tool_calls)
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    head = _head("chat.completion", asked, number)
    return {**head, "choices": [choice], "usage": token_usage(asked, answer)}


def answer_events(asked: ChatRequest, answer: ChatAnswer, number: int) -> Iterator[bytes]:
    """The answer as server-sent events, the last one `[DONE]`."""
    head = _head("chat.completion.chunk", asked, number)

    def event(delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _event({**head, "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    for chunk in answer.chunks:
        yield event({"content": chunk})
    if answer.tool_calls:
        calls = _tool_calls(answer.tool_calls)
        yield event({"tool_calls": [{"index": i, **call} for i, call in enumerate(calls)]})
    yield event({}, answer.finish_reason)
    if asked.include_usage:
        yield _event({**head, "choices": [], "usage": token_usage(asked, answer)})
    yield b"data: [DONE]\n\n"


def token_usage(asked: ChatRequest, answer: ChatAnswer) -> dict[str, int]:
    """Numbers of tokens: as recorded, else estimated from the lengths."""
    told = answer.usage
    tokens_in = told.get("prompt_tokens", len(asked.said) // _BYTES_PER_TOKEN + 1)
    tokens_out = told.get("completion_tokens", len(answer.text) // _BYTES_PER_TOKEN + 1)
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }


def error_body(message: str, code: str, kind: str = "invalid_request_error") -> Json:
    """An error in OpenAI's format."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _head(kind: str, asked: ChatRequest, number: int) -> Json:
    return {
        "id": f"chatcmpl-recorded-{number}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
    }


def _tool_calls(calls: Sequence[Mapping[str, str]]) -> list[Json]:
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for number, call in enumerate(calls, 1)
    ]


def _event(data: Json) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"
