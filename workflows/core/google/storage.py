"""Reads and writes objects in Cloud Storage (`gs://bucket/object`) over its REST API.

Objects are read and written as a whole. Each has a generation, which makes conditional writes
possible. With `STORAGE_EMULATOR_HOST` set (an address, with or without `http://`) that
server is asked instead of Google, without a token. See docs/decisions/0008-dag-files.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from workflows.core import http
from workflows.core.config import environment
from workflows.core.errors import (
    RequestConflict,
    ResourceNotFound,
    TransientError,
    UrlRefused,
)
from workflows.core.google.token import GoogleToken

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

TIMEOUT_S = 60.0
RETRIES = 3
_RETRY_DELAY_S = 0.5
_token = GoogleToken("https://www.googleapis.com/auth/devstorage.read_write", "Cloud Storage")
_GOOGLE = "https://storage.googleapis.com"
_URL = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([^\r\n]{1,1024})")
_NOT_FOUND = 404
_UNAUTHORIZED = 401
_PRECONDITION_FAILED = 412
_UPLOAD_ANSWERS = (_NOT_FOUND, _PRECONDITION_FAILED)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes and its generation: a number that each write changes."""

    data: bytes
    generation: int


def read_object(url: str, *, limit_bytes: int) -> bytes:
    """The whole object; see `read_object_with_generation` for the errors."""
    return read_object_with_generation(url, limit_bytes=limit_bytes).data


def read_object_with_generation(url: str, *, limit_bytes: int) -> StoredObject:
    """The whole object, and the generation to name in the next write of it.

    Raises:
        UrlRefused: not `gs://bucket/object`.
        ResourceNotFound: there is no such object (for a write it has generation 0).
        RequestRefused: more than `limit_bytes`, or another final answer.
        AuthenticationFailed, AccessDenied: no credentials, or not for this object.
        NetworkError, TimeoutExceeded, RemoteUnavailable: may pass; was tried again already.
    """
    address = _object_address(url)
    answer = _ask("GET", f"{address}?alt=media", limit_bytes=limit_bytes, accept=(_NOT_FOUND,))
    if answer.status == _NOT_FOUND:
        raise ResourceNotFound(f"there is no object {url}", fix="check bucket and object name")
    return StoredObject(answer.body, int(answer.headers["x-goog-generation"]))


def write_object(url: str, data: bytes, *, if_generation_match: int | None = None) -> int:
    """Write the whole object and return its new generation.

    With `if_generation_match` it is written only while its generation is still that one; 0 means
    while there is none. Such a write is tried again after a lost answer, and recognises its own
    bytes if the first try had arrived; without a condition it may replace a later write.

    Raises:
        RequestConflict: the object has another generation by now.
        UrlRefused, AuthenticationFailed, AccessDenied, RequestRefused, ResourceNotFound (bucket),
        NetworkError, TimeoutExceeded, RemoteUnavailable: as for reading.
    """
    bucket, name = _parts(url)
    address = f"{_base()}/upload/storage/v1/b/{quote(bucket, safe='')}/o?uploadType=multipart"
    if if_generation_match is not None:
        address += f"&ifGenerationMatch={if_generation_match}"
    for attempt in range(RETRIES + 1):
        try:
            answer = _ask("POST", address, upload=_multipart(name, data), accept=_UPLOAD_ANSWERS)
            break
        except TransientError:
            if attempt == RETRIES:
                raise
            time.sleep(_RETRY_DELAY_S * 2**attempt)
    if answer.status == _NOT_FOUND:
        raise ResourceNotFound(f"there is no bucket {bucket!r}", fix="check the bucket's name")
    if answer.status == _PRECONDITION_FAILED:
        written = _generation_of_ours(url, data) if attempt else None
        if written is None:
            raise RequestConflict(
                f"{url} was written by another process",
                why=f"its generation is not {if_generation_match} any more",
            )
        return written
    return int(answer.json()["generation"])


def _multipart(name: str, data: bytes) -> tuple[str, bytes]:
    """Content type and body of an upload: what the object is called, then its bytes.

    Not the simpler `uploadType=media`: fake-gcs-server heeds no condition there.
    """
    boundary = hashlib.sha256(data).hexdigest()
    head = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        f"{json.dumps({'name': name})}\r\n"
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/related; boundary={boundary}", body


def _generation_of_ours(url: str, data: bytes) -> int | None:
    """The generation of the object if it holds just these bytes: our first try had arrived."""
    answer = _ask("GET", _object_address(url), accept=(_NOT_FOUND,))
    if answer.status == _NOT_FOUND:
        return None
    facts = answer.json()
    digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return int(facts["generation"]) if facts.get("md5Hash") == digest else None


def _parts(url: str) -> tuple[str, str]:
    found = _URL.fullmatch(url)
    if found is None:
        raise UrlRefused(f"not an object in Cloud Storage: {url!r}", fix="write gs://BUCKET/OBJECT")
    return found[1], found[2]


def _base() -> str:
    emulator = environment.variable("STORAGE_EMULATOR_HOST")
    if emulator is None:
        return _GOOGLE
    return (emulator if "://" in emulator else f"http://{emulator}").rstrip("/")


def _object_address(url: str) -> str:
    bucket, name = _parts(url)
    return f"{_base()}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"


def _ask(
    method: str,
    address: str,
    *,
    upload: tuple[str, bytes] | None = None,
    accept: Collection[int] = (),
    limit_bytes: int = http.MAX_BODY_BYTES,
) -> http.Response:
    """One request with our token; a token that is refused is renewed once."""

    def ask(headers: Mapping[str, str], more: Collection[int]) -> http.Response:
        return http.request(
            method,
            address,
            timeout_s=TIMEOUT_S,
            headers={**headers, "Content-Type": upload[0]} if upload else headers,
            body=upload[1] if upload else None,
            retries=RETRIES,
            accept=(*accept, *more),
            limit_bytes=limit_bytes,
        )

    if environment.variable("STORAGE_EMULATOR_HOST") is not None:
        return ask({}, ())
    answer = ask(_token.headers(), (_UNAUTHORIZED,))
    return ask(_token.headers(renew=True), ()) if answer.status == _UNAUTHORIZED else answer
