"""The parameters of a request, from its query and its body (JSON, form or multipart)."""

from __future__ import annotations

import json
import re
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from workflows.local.gitlab_server.http.answers import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workflows.local.gitlab_server.state.model import Json

_BRACKETS = re.compile(r"\[([^\]]*)\]")


def request_parameters(query: str, content_type: str, body: bytes) -> Json:
    """All parameters; the body wins over the query.

    Raises:
        GitLabApiError: 400, the body does not fit its content type.
    """
    found = nested_parameters(parse_qsl(query, keep_blank_values=True))
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return found
    if kind == "multipart/form-data":
        return found | nested_parameters(_multipart(content_type, body))
    if kind == "application/x-www-form-urlencoded":
        return found | nested_parameters(parse_qsl(_text(body), keep_blank_values=True))
    try:
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise bad_request("400 Bad Request") from None
    if not isinstance(given, dict):
        raise bad_request("400 Bad Request")
    return found | given


def nested_parameters(pairs: Iterable[tuple[str, Any]]) -> Json:
    """Names with brackets as Rack reads them: `a[]=1&a[]=2`, `not[labels]=x`, `a[][b]=1`."""
    found: Json = {}
    for name, value in pairs:
        first = name.partition("[")[0] or name
        keys = _BRACKETS.findall(name[len(first) : name.rfind("]") + 1])
        _store(found, first, keys, value)
    return found


def _store(target: Json, key: str, rest: list[str], value: Any) -> None:
    if not rest:
        target[key] = value
        return
    if rest[0]:
        inner = target.setdefault(key, {})
        if isinstance(inner, dict):
            _store(inner, rest[0], rest[1:], value)
        return
    items = target.setdefault(key, [])
    if not isinstance(items, list):
        return
    if len(rest) == 1:
        items.append(value)
        return
    fresh = not items or not isinstance(items[-1], dict) or rest[1] in items[-1]
    if fresh:
        items.append({})
    _store(items[-1], rest[1], rest[2:], value)


def _multipart(content_type: str, body: bytes) -> Iterable[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, _text(content)


def _text(body: bytes) -> str:
    return body.decode(errors="replace")
