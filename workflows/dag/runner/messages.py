"""HTTP requests to the Task Runner and responses from it, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class HttpRequest:
    """One request. `headers` are whole lines, each with its CRLF; Content-Length is added later.

    The response may take `extra_s` seconds longer than the pool's timeout. A request that is not
    `repeatable` must not be sent twice, so it is not sent on a connection that may be stale.
    """

    method: str
    path: str
    headers: str = ""
    body: bytes = b""
    extra_s: float = 0.0
    repeatable: bool = True


@dataclass(slots=True, eq=False)
class HttpResponse:
    """Status, the header lines as received (the start of the body may follow them), and body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header; empty if the response does not have it."""
        found = re.search(rb"(?i)\r\n%s[ \t]*:([^\r\n]*)" % name.encode(), self.head)
        return found[1].strip().decode("latin-1") if found else ""
