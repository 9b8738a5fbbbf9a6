"""Tokens: google-auth's real code against a stand-in metadata server, fixed ones, none."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from workflows.core.errors import AuthenticationFailed, SettingsInvalid
from workflows.dag.runner import auth
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def jwt(expires_at: float, **more: Any) -> str:
    def part(facts: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(facts).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part({'exp': int(expires_at), **more})}.c2ln"


class Metadata:
    """Answers as Google's metadata server does; `life_s` is how long its tokens hold."""

    def __init__(self) -> None:
        self.life_s = 3600.0
        self.audiences: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, kind = b"ok", b"application/text"
        if scope["path"].endswith("/identity"):
            query = dict(p.split("=", 1) for p in scope["query_string"].decode().split("&"))
            self.audiences.append(query["audience"])
            body = jwt(time.time() + self.life_s, n=len(self.audiences)).encode()
        elif scope["path"].endswith("/default/"):
            body = b'{"email": "a@b.c", "aliases": ["default"], "scopes": []}'
            kind = b"application/json"
        headers = [(b"metadata-flavor", b"Google"), (b"content-type", kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    server = Metadata()
    with serve_app(server) as url:
        host = url.removeprefix("http://")
        monkeypatch.setenv("GCE_METADATA_HOST", host)
        monkeypatch.setenv("GCE_METADATA_IP", host)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        # google-auth reads both when it is imported
        from google.auth.compute_engine import _metadata

        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host, raising=False)
        root = f"http://{host}/computeMetadata/v1/"
        monkeypatch.setattr(_metadata, "_METADATA_ROOT", root, raising=False)
        monkeypatch.setattr(_metadata, "_METADATA_IP_ROOT", f"http://{host}", raising=False)
        yield server


def test_the_metadata_server_gives_a_token_for_the_runners_address(metadata: Metadata) -> None:
    async def ask() -> tuple[str, str]:
        identity = auth.GoogleIdToken("https://runner.example.com")
        return await identity.header(), identity.current()

    first, kept = asyncio.run(ask())
    assert first.startswith("Authorization: Bearer ey")
    assert kept == first
    assert len(metadata.audiences) == 1
    assert "runner.example.com" in metadata.audiences[0]


def test_a_token_is_renewed_before_it_expires_and_once_when_refused(metadata: Metadata) -> None:
    async def ask() -> list[str]:
        identity = auth.GoogleIdToken("https://runner.example.com")
        one = await identity.header()
        await asyncio.gather(identity.renew(one), identity.renew(one), identity.renew(one))
        return [one, await identity.header()]

    one, two = asyncio.run(ask())
    assert one != two
    assert len(metadata.audiences) == 2


def test_user_credentials_are_an_error_that_says_how_to_impersonate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "adc.json"
    facts = {"type": "authorized_user", "client_id": "a", "client_secret": "b"}
    file.write_text(json.dumps({**facts, "refresh_token": "c"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:9")
    monkeypatch.setenv("GCE_METADATA_TIMEOUT", "1")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(AuthenticationFailed) as caught:
        asyncio.run(auth.GoogleIdToken("https://runner.example.com").header())
    assert "--impersonate-service-account" in caught.value.fix


def test_none_sends_no_token_and_a_fixed_one_is_kept() -> None:
    assert auth.choose_authorization("none", "x").current() == ""
    fixed = auth.choose_authorization(jwt(2_000_000_000), "x")
    assert isinstance(fixed, auth.FixedToken)
    assert fixed.expires_at == 2_000_000_000
    assert fixed.current().startswith("Authorization: Bearer ey")


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "é"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(SettingsInvalid):
        auth.choose_authorization(token, "x")
