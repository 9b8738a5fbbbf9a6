"""Objects in Cloud Storage, against the real fake-gcs-server and google-auth's real code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from workflows.core.errors import (
    AuthenticationFailed,
    RequestConflict,
    RequestRefused,
    ResourceNotFound,
    UrlRefused,
)
from workflows.core.google import storage
from workflows.core.google.token import GoogleToken
from workflows.core.redaction import redact
from workflows.servers.serving import serve_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from tests.gcs import Bucket


@pytest.mark.parametrize("name", ["dag.yaml", "a/b c/ö?#&+%2F.yaml"])
@pytest.mark.parametrize("data", [b"", b"name: x\n", bytes(range(256)) * 4096])
def test_what_is_written_is_read(gcs: Bucket, name: str, data: bytes) -> None:
    generation = storage.write_object(gcs.url(name), data)

    found = storage.read_object_with_generation(gcs.url(name), limit_bytes=2_000_000)

    assert found == storage.StoredObject(data, generation)


def test_an_emulator_without_a_scheme_is_asked_too(
    gcs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.server.removeprefix("http://"))

    storage.write_object(gcs.url("x"), b"data")

    assert storage.read_object(gcs.url("x"), limit_bytes=10) == b"data"


def test_each_write_has_a_generation_of_its_own(gcs: Bucket) -> None:
    first = storage.write_object(gcs.url("x"), b"1", if_generation_match=0)
    second = storage.write_object(gcs.url("x"), b"2", if_generation_match=first)

    assert first != second
    assert storage.read_object(gcs.url("x"), limit_bytes=10) == b"2"


def test_a_write_over_somebody_elses_is_refused(gcs: Bucket) -> None:
    first = storage.write_object(gcs.url("x"), b"1")
    storage.write_object(gcs.url("x"), b"theirs")

    with pytest.raises(RequestConflict, match="another process"):
        storage.write_object(gcs.url("x"), b"ours", if_generation_match=first)
    with pytest.raises(RequestConflict):
        storage.write_object(gcs.url("x"), b"theirs", if_generation_match=0)

    assert storage.read_object(gcs.url("x"), limit_bytes=10) == b"theirs"


def test_a_missing_object_and_a_missing_bucket_are_named(gcs: Bucket) -> None:
    with pytest.raises(ResourceNotFound, match="no object gs://"):
        storage.read_object(gcs.url("nothing"), limit_bytes=10)
    with pytest.raises(ResourceNotFound, match="no object gs://"):
        storage.read_object("gs://no-such-bucket/x", limit_bytes=10)
    with pytest.raises(ResourceNotFound, match="no bucket 'no-such-bucket'"):
        storage.write_object("gs://no-such-bucket/x", b"")


def test_an_object_over_the_limit_is_refused(gcs: Bucket) -> None:
    storage.write_object(gcs.url("x"), b"12345678901")

    with pytest.raises(RequestRefused, match="more than 10 bytes"):
        storage.read_object(gcs.url("x"), limit_bytes=10)


@pytest.mark.parametrize(
    "url", ["gs://", "gs://bucket", "gs://bucket/", "gs://B_/x", "gs:///x", "/x", "gs://bu/a\nb"]
)
def test_what_names_no_object_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused, match="gs://BUCKET/OBJECT"):
        storage.read_object(url, limit_bytes=10)


class _Losing:
    """A front to the real stand-in that loses the answers to its first uploads."""

    def __init__(self, server: str, losses: int) -> None:
        self.server = server
        self.losses = losses

    async def pass_on(self, request: Request) -> Response:
        import httpx

        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(
                request.method,
                f"{self.server}{request.url.path}?{request.url.query}",
                content=await request.body(),
                headers={"Content-Type": request.headers.get("content-type", "")},
            )
        if request.method == "POST" and self.losses:
            self.losses -= 1
            return PlainTextResponse("lost", 503)
        return Response(answer.content, answer.status_code, dict(answer.headers))


@pytest.mark.parametrize("losses", [1, 2])
def test_a_conditional_write_survives_a_lost_answer(
    gcs: Bucket, monkeypatch: pytest.MonkeyPatch, losses: int
) -> None:
    monkeypatch.setattr(storage, "_RETRY_DELAY_S", 0.01)
    front = _Losing(gcs.server, losses)
    app = Starlette(routes=[Route("/{path:path}", front.pass_on, methods=["GET", "POST"])])
    with serve_app(app) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        generation = storage.write_object(gcs.url("x"), b"once", if_generation_match=0)

        found = storage.read_object_with_generation(gcs.url("x"), limit_bytes=10)

    assert found == storage.StoredObject(b"once", generation)


@contextmanager
def metadata_server() -> Iterator[str]:
    """Google's metadata server, as far as google-auth asks it; each token is a new one."""
    count = 0

    async def answer(request: Request) -> Response:
        nonlocal count
        headers = {"Metadata-Flavor": "Google"}
        if request.url.path.endswith("/token"):
            count += 1
            body = {"access_token": f"ya29.stand-in-{count}", "expires_in": 3599}
            return JSONResponse(body | {"token_type": "Bearer"}, headers=headers)
        if request.url.path.endswith("/project-id"):
            return PlainTextResponse("project", headers=headers)
        account = {"email": "runner@example.com", "scopes": [], "aliases": ["default"]}
        return JSONResponse(account, headers=headers)

    with serve_app(Starlette(routes=[Route("/{path:path}", answer)])) as address:
        yield address.removeprefix("http://")


@pytest.fixture
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


@pytest.mark.usefixtures("_no_credentials")
def test_on_google_cloud_the_token_is_the_metadata_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with metadata_server() as host:
        for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"):
            monkeypatch.setenv(name, host)
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)
        tokens = GoogleToken("scope", "Cloud Storage")

        first, again, renewed = tokens.headers(), tokens.headers(), tokens.headers(renew=True)

    assert first == again == {"Authorization": "Bearer ya29.stand-in-1"}
    assert renewed == {"Authorization": "Bearer ya29.stand-in-2"}
    assert "stand-in" not in redact(first["Authorization"])


@pytest.mark.usefixtures("_no_credentials")
def test_no_credentials_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")

    with pytest.raises(AuthenticationFailed, match="gcloud auth application-default login"):
        GoogleToken("scope", "Cloud Storage").headers()
