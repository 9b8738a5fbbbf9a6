"""What an HTTP status and a Retry-After header mean. Pure, and standard library only.

The Cloud Functions take this file along (`functions.staging`); it imports nothing of the package.
"""

from __future__ import annotations

import math

_TRANSIENT = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR = 500


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later: 408, 425, 429 and every 5xx."""
    return status in _TRANSIENT or status >= _FIRST_SERVER_ERROR


def retry_after_s(header: str | None, *, now: float, longest_s: float) -> float | None:
    """Seconds to wait, from 0 to `longest_s`; None if the header is no number and no HTTP date.

    `now` is the server's time in seconds since 1970, or this machine's.
    """
    try:
        seconds = float(header or "")
    except ValueError:
        moment = http_date_s(header)
        if moment is None:
            return None
        seconds = moment - now
    return None if math.isnan(seconds) else min(max(seconds, 0.0), longest_s)


def http_date_s(header: str | None) -> float | None:
    """The time of a header such as Date, in seconds since 1970; None if it is no HTTP date."""
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(header or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
