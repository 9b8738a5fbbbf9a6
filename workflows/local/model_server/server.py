"""The HTTP server of the recorded model: `/v1/chat/completions` and `/v1/models`.

With an upstream, a prompt without a recording is forwarded there, and the answer is recorded.
"""

from __future__ import annotations

import hmac
import itertools
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from workflows.core.redaction import redact, remember
from workflows.local.model_server import chat
from workflows.local.model_server.recorder import Relay, UpstreamFailed
from workflows.local.model_server.recordings import Recordings
from workflows.servers.faults import NextFaults, NextFaultsInjector
from workflows.servers.request_log import LoggedRequest, RequestLog
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

MAX_BODY_BYTES = 64 * 1024 * 1024
_KEPT_REQUESTS = 1_000
_QUOTED = 200
_EVENT_STREAM = "text/event-stream; charset=utf-8"
MODELS = ("gpt-4o", "gpt-4o-mini", "recorded")


@dataclass(frozen=True)
class Upstream:
    """A real endpoint to record from: its base URL (`…/v1`) and its API key."""

    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class ReceivedRequest:
    """One chat request that arrived: its prompt (normalised), headers and parsed body."""

    prompt: str
    headers: Mapping[str, str] = field(repr=False)
    question: chat.ChatRequest = field(repr=False)


class RecordedModel:
    """The model as something to start: `with model.serve() as base_url`.

    `requests` holds the last thousand chat requests, `faults` what shall go wrong next, `seen`
    every request with its status. With `key` a request must carry it as a bearer token.
    """

    def __init__(
        self, recordings: Path, *, upstream: Upstream | None = None, key: str | None = None
    ) -> None:
        """Read the recordings.

        Raises:
            RecordingInvalid: a file in the folder is none.
        """
        self.recordings = Recordings(recordings)
        self.requests: deque[ReceivedRequest] = deque(maxlen=_KEPT_REQUESTS)
        self.faults = NextFaults()
        self.seen: list[LoggedRequest] = []
        self._key = key
        self._numbers = itertools.count(1)
        self._relay: Relay | None = None
        if upstream:
            remember([upstream.key])
            self._relay = Relay(upstream.base_url, upstream.key, self.recordings)
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/{path:path}", _nothing_here, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
        self.app = RequestLog(NextFaultsInjector(Starlette(routes=routes), self.faults), self.seen)

    def serve(self, port: int = 0) -> AbstractContextManager[str]:
        """Serve for as long as the block lasts and yield the origin; the API is below `/v1`.

        Raises:
            OSError: the port is taken.
        """
        return serve_app(self.app, port=port)

    async def _models(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "workflows"}
            for name in MODELS
        ]
        return JSONResponse({"object": "list", "data": models})

    async def _chat(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            body = await _body(request)
            question = chat.read_chat_request(body)
        except chat.ChatRequestInvalid as error:
            return _failed(HTTPStatus.BAD_REQUEST, str(error), "invalid_request")
        self.requests.append(ReceivedRequest(question.asked, dict(request.headers), question))
        answer = self.recordings.answer(question)
        if answer is not None:
            return self._played(question, answer)
        if self._relay is None:
            return _unknown(question)
        try:
            status, kind, pieces = await self._relay.ask(question, body)
        except UpstreamFailed as error:
            return _failed(HTTPStatus.BAD_GATEWAY, redact(str(error)), "upstream_failed")
        return StreamingResponse(pieces, status, media_type=kind)

    def _played(self, question: chat.ChatRequest, answer: chat.ChatAnswer) -> Response:
        number = next(self._numbers)
        if not question.stream:
            return JSONResponse(chat.completion_body(question, answer, number))
        events = chat.answer_events(question, answer, number)
        return StreamingResponse(_pieces(events), media_type=_EVENT_STREAM)

    def _refusal(self, request: Request) -> Response | None:
        if self._key is None:
            return None
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(key.encode(), self._key.encode()):
            return None
        return _failed(HTTPStatus.UNAUTHORIZED, "the API key is wrong", "invalid_api_key")


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise chat.ChatRequestInvalid(f"the body is larger than {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        raise chat.ChatRequestInvalid("the client went away") from None
    return bytes(body)


async def _pieces(events: Iterable[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event


def _unknown(question: chat.ChatRequest) -> Response:
    shown = redact(question.last)[:_QUOTED]
    return _failed(
        HTTPStatus.NOT_FOUND,
        f"no answer is recorded for the prompt {shown!r} (sha256 {question.sha256}); to record"
        " one: OPENAI_API_KEY=… workflows local model --record --recordings FOLDER",
        "prompt_not_recorded",
    )


async def _nothing_here(request: Request) -> Response:
    what = f"{request.method} {request.url.path} is not played here; only chat completions are"
    return _failed(HTTPStatus.NOT_FOUND, what, "unknown_url")


def _failed(status: HTTPStatus, message: str, code: str) -> Response:
    return JSONResponse(chat.error_body(message, code), status)
