"""Forwards a request to a real endpoint, streams the answer, and records it once complete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
from starlette.concurrency import run_in_threadpool

from workflows.core.loopback import LOOPBACK
from workflows.local.model_server.chat import ChatAnswer
from workflows.servers.serving import ConnectionCut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from workflows.local.model_server.chat import ChatRequest
    from workflows.local.model_server.recordings import Recordings

_TIMEOUT = httpx.Timeout(300, connect=15)  # seconds; a model may think for minutes
_DONE = "[DONE]"


class UpstreamFailed(Exception):
    """The endpoint could not be reached; the text says why."""


class Relay:
    """Forwards to one endpoint. Answers with another status than 200 are not recorded."""

    def __init__(self, base_url: str, key: str, recordings: Recordings) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._key = key
        self._recordings = recordings

    async def ask(
        self, question: ChatRequest, body: bytes
    ) -> tuple[int, str | None, AsyncIterator[bytes]]:
        """Forward a request; returns status, media type and the body as it comes.

        If the answer breaks off, the client's connection is cut, and nothing is recorded.

        Raises:
            UpstreamFailed: no connection.
        """
        host = httpx.URL(self._url).host
        client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=host not in LOOPBACK)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            request = client.build_request("POST", self._url, content=body, headers=headers)
            answer = await client.send(request, stream=True)
        except httpx.HTTPError as error:
            await client.aclose()
            raise UpstreamFailed(f"{host}: {type(error).__name__}: {error}") from error
        kind = answer.headers.get("content-type")
        return answer.status_code, kind, self._passed_on(client, answer, question)

    async def _passed_on(
        self, client: httpx.AsyncClient, answer: httpx.Response, question: ChatRequest
    ) -> AsyncIterator[bytes]:
        kept = bytearray()
        try:
            async for piece in answer.aiter_bytes():
                kept += piece
                yield piece
        except httpx.HTTPError as error:
            raise ConnectionCut from error
        finally:
            await answer.aclose()
            await client.aclose()
        if answer.status_code == httpx.codes.OK:
            heard = _heard(kept.decode(errors="replace"), streamed=question.stream)
            if heard is not None:
                await run_in_threadpool(self._recordings.add, question, heard)


def _heard(text: str, *, streamed: bool) -> ChatAnswer | None:
    """The answer in a body, or None if the body is incomplete."""
    try:
        if streamed:
            lines = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
            return _gathered(lines)
        data = json.loads(text)
        return _answer(data["choices"][0]["message"], data.get("usage"))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _gathered(events: Iterable[str]) -> ChatAnswer | None:
    """The pieces of a stream put together; None where `[DONE]` never came."""
    content: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    usage: dict[str, Any] | None = None
    for event in events:
        if event == _DONE:
            return _answer({"content": "".join(content)}, usage, [calls[i] for i in sorted(calls)])
        data = json.loads(event)
        usage = data.get("usage") or usage
        for choice in data.get("choices", ())[:1]:
            delta = choice.get("delta") or {}
            content.append(delta.get("content") or "")
            _add_calls(calls, delta.get("tool_calls") or ())
    return None


def _add_calls(calls: dict[int, dict[str, str]], parts: Iterable[dict[str, Any]]) -> None:
    for part in parts:
        call = calls.setdefault(part["index"], {"name": "", "arguments": ""})
        for name in call:
            call[name] += part.get("function", {}).get(name) or ""


def _answer(
    message: dict[str, Any],
    usage: dict[str, Any] | None,
    calls: Iterable[dict[str, str]] | None = None,
) -> ChatAnswer:
    if calls is None:
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        calls = [{"name": one["name"], "arguments": one["arguments"]} for one in functions]
    counts = {
        name: int((usage or {}).get(name) or 0) for name in ("prompt_tokens", "completion_tokens")
    }
    chunks = tuple((message.get("content") or "").splitlines(keepends=True))
    return ChatAnswer(chunks, tuple(calls), counts if any(counts.values()) else {})
