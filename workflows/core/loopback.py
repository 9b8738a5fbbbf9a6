"""The names of this machine, where plain HTTP will do and no proxy is asked."""

from __future__ import annotations

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
