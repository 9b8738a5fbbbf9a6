"""Protocol Buffers on the wire, as much of it as Terraform's plugin protocol takes here.

Not a library: messages are written field by field, and read into {field number: [values]}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Message = dict[int, list[bytes]]


def number(field: int, value: int) -> bytes:
    """A number or bool; zero is not written, which is what its absence means."""
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def data(field: int, value: bytes | str) -> bytes:
    """Bytes, a string or a message."""
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | _BYTES) + _varint(len(raw)) + raw


def read(raw: bytes) -> Message:
    """The fields that hold bytes, by number; the protocol's other fields are not needed here."""
    fields: Message = {}
    at = 0
    while at < len(raw):
        key, at = _read_varint(raw, at)
        kind = key & 7
        if kind == _BYTES:
            size, at = _read_varint(raw, at)
            fields.setdefault(key >> 3, []).append(raw[at : at + size])
            at += size
        elif kind == _VARINT:
            _, at = _read_varint(raw, at)
        else:
            at += 8 if kind == _FIXED64 else 4
    return fields


def _varint(value: int) -> bytes:
    return bytes(_septets(value))


def _septets(value: int) -> Iterator[int]:
    while value > 0x7F:  # noqa: PLR2004 - the seven bits of a septet
        yield value & 0x7F | 0x80
        value >>= 7
    yield value


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last septet has no continuation bit
            return value, at
        shift += 7
