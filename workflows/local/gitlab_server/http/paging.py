"""Lists in pages: by offset with all of GitLab's headers, or by keyset."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from workflows.local.gitlab_server.http.answers import (
    GitLabApiError,
    gitlab_response,
    invalid_parameter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.responses import Response

    from workflows.local.gitlab_server.http.api_call import ApiCall

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100
COUNTED = 10_000  # rows; longer lists are not counted for the client


def paginate(
    call: ApiCall,
    items: Sequence[Any],
    render: Callable[[Any], Any],
    *,
    key: Callable[[Any], Any] | None = None,
) -> Response:
    """The page that the request asks for. `key` is the sort key, where keyset pages are allowed."""
    if call.text("pagination") == "keyset":
        return _by_key(call, items, render, key)
    return _by_offset(call, items, render)


def _sizes(call: ApiCall) -> tuple[int, int]:
    number = call.number("page", 1) or 0
    size = call.number("per_page", DEFAULT_PER_PAGE) or 0
    if number < 1:
        raise invalid_parameter("page does not have a valid value")
    if size < 1:
        raise invalid_parameter("per_page does not have a valid value")
    return number, min(size, MAX_PER_PAGE)


def _by_offset(call: ApiCall, items: Sequence[Any], render: Callable[[Any], Any]) -> Response:
    number, size = _sizes(call)
    total = len(items)
    pages = max(-(-total // size), 1)
    shown = items[(number - 1) * size : number * size]
    following = number + 1 if number * size < total else None
    previous = number - 1 if 1 < number <= pages + 1 else None
    headers = {
        "X-Page": str(number),
        "X-Per-Page": str(size),
        "X-Next-Page": str(following or ""),
        "X-Prev-Page": str(previous or ""),
    }
    links = {"prev": previous, "next": following, "first": 1}
    if total <= COUNTED:
        headers |= {"X-Total": str(total), "X-Total-Pages": str(pages)}
        links["last"] = pages
    headers["Link"] = ", ".join(
        f'<{_url(call, page=target, per_page=size)}>; rel="{rel}"'
        for rel, target in links.items()
        if target
    )
    return gitlab_response([render(item) for item in shown], headers=headers)


def _by_key(
    call: ApiCall,
    items: Sequence[Any],
    render: Callable[[Any], Any],
    key: Callable[[Any], Any] | None,
) -> Response:
    if key is None or call.text("order_by", "id") != "id":
        problem = "Keyset pagination is not yet available for this type of request"
        raise GitLabApiError(405, {"error": problem})
    _, size = _sizes(call)
    descending = call.choice("sort", ("asc", "desc"), "desc") == "desc"
    ordered = sorted(items, key=key, reverse=descending)
    after = _cursor(call)
    if after is not None and ordered:
        ordered = _items_after(after, ordered, key, descending=descending)
    headers = {"X-Per-Page": str(size)}
    if len(ordered) > size:
        cursor = base64.urlsafe_b64encode(str(key(ordered[size - 1])).encode()).decode()
        url = _url(call, cursor=cursor, per_page=size)
        headers["Link"] = f'<{url}>; rel="next"'
    return gitlab_response([render(item) for item in ordered[:size]], headers=headers)


def _items_after(
    after: str, ordered: list[Any], key: Callable[[Any], Any], *, descending: bool
) -> list[Any]:
    try:
        last = type(key(ordered[0]))(after)
    except ValueError:
        raise invalid_parameter("cursor is invalid") from None
    return [item for item in ordered if (key(item) < last if descending else key(item) > last)]


def _cursor(call: ApiCall) -> str | None:
    if call.has("cursor"):
        try:
            return base64.urlsafe_b64decode(call.text("cursor") or "").decode()
        except (binascii.Error, ValueError):
            raise invalid_parameter("cursor is invalid") from None
    for name in ("id_after", "id_before"):
        if call.has(name):
            return str(call.number(name))
    return call.text("page_token")


def _url(call: ApiCall, **changed: Any) -> str:
    """The URL of another page: the query with another page or cursor."""
    gone = {"private_token", "access_token", "id_after", "id_before", "page_token", *changed}
    kept = [(k, v) for k, v in parse_qsl(call.query, keep_blank_values=True) if k not in gone]
    query = urlencode([*kept, *((name, str(value)) for name, value in changed.items())])
    return f"{call.lab.url}/api/v4/{call.target}?{query}"
