"""A provider that knows names and types and does nothing: what Terraform asks it, and its answers.

It plans what the configuration says, with computed values unknown, and applies by making those up.
It does not know the real provider's checks of values, its defaults or what Google would answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc
import msgpack

from tools.terraform import schema, shapes, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UNKNOWN = msgpack.ExtType(0, b"\x00")
_MSGPACK, _JSON = 1, 2
_RESOURCES, _DATA = "resource_schemas", "data_source_schemas"
_ERROR = 1


class StandIn:
    """The methods of the service tfplugin6.Provider; each takes and gives a message's bytes."""

    def __init__(self, printed: dict[str, Any]) -> None:
        self._printed = printed
        self._schema = schema.response(printed)

    def handler(self) -> Any:
        """What a gRPC server serves."""
        silent = ("ValidateProviderConfig", "ConfigureProvider", "StopProvider")
        methods: dict[str, Callable[[wire.Message], bytes]] = {
            **dict.fromkeys(silent, lambda _: b""),
            "GetProviderSchema": lambda _: self._schema,
            "ValidateResourceConfig": lambda asked: self._validate(_RESOURCES, asked),
            "ValidateDataResourceConfig": lambda asked: self._validate(_DATA, asked),
            "UpgradeResourceState": _upgrade,
            "ReadResource": lambda asked: wire.data(1, asked[2][0]),
            "PlanResourceChange": self._plan,
            "ApplyResourceChange": self._apply,
            "ReadDataSource": self._read,
        }
        return grpc.method_handlers_generic_handler(
            "tfplugin6.Provider",
            {
                name: grpc.unary_unary_rpc_method_handler(_method(answer))
                for name, answer in methods.items()
            },
        )

    def _block(self, kind: str, asked: wire.Message) -> schema.Block:
        found: schema.Block = self._printed[kind][asked[1][0].decode()]["block"]
        return found

    def _validate(self, kind: str, asked: wire.Message) -> bytes:
        set_though = _read_only(self._block(kind, asked), _value(asked[2][0]), "")
        return b"".join(
            wire.data(1, wire.number(1, _ERROR) + wire.data(2, f"{path} is read-only"))
            for path in set_though
        )

    def _plan(self, asked: wire.Message) -> bytes:
        prior, proposed = _value(asked[2][0]), _value(asked[3][0])
        if proposed is not None and prior is None:
            _fill(self._block(_RESOURCES, asked), proposed, lambda _: _UNKNOWN)
        return wire.data(1, _dynamic(proposed)) + wire.number(5, 1)

    def _apply(self, asked: wire.Message) -> bytes:
        planned = _value(asked[3][0])
        if planned is not None:
            shapes.shape(asked[1][0].decode(), planned, _UNKNOWN)
            _fill(self._block(_RESOURCES, asked), planned, _made_up)
        return wire.data(1, _dynamic(planned)) + wire.number(4, 1)

    def _read(self, asked: wire.Message) -> bytes:
        config = _value(asked[2][0])
        _fill(self._block(_DATA, asked), config, _made_up)
        return wire.data(1, _dynamic(config))


def _method(answer: Callable[[wire.Message], bytes]) -> Callable[[bytes, object], bytes]:
    return lambda request, _context: answer(wire.read(request))


def _upgrade(asked: wire.Message) -> bytes:
    return wire.data(1, wire.data(_JSON, wire.read(asked[3][0])[1][0]))


def _value(raw: bytes) -> Any:
    fields = wire.read(raw)
    if _MSGPACK in fields:
        return msgpack.unpackb(fields[_MSGPACK][0], strict_map_key=False)
    return json.loads(fields[_JSON][0]) if _JSON in fields else None


def _dynamic(value: Any) -> bytes:
    return wire.data(_MSGPACK, msgpack.packb(value))


def _fill(block: schema.Block, values: dict[str, Any], made: Callable[[Any], Any]) -> None:
    """Put `made(type)` wherever the provider is to give the value; write-only values go."""
    for name, attribute in schema.attributes(block).items():
        if attribute.get("write_only"):
            values[name] = None
        elif schema.is_computed(attribute) and values.get(name) in {None, _UNKNOWN}:
            values[name] = made(attribute["type"])
    for nested, inner in _inside(block, values):
        _fill(nested, inner, made)


def _read_only(block: schema.Block, values: dict[str, Any], path: str) -> Iterator[str]:
    for name, attribute in schema.attributes(block).items():
        if schema.is_read_only(attribute) and values.get(name) is not None:
            yield f"{path}{name}"
    for nested, inner in _inside(block, values):
        yield from _read_only(nested, inner, f"{path}(block).")


def _inside(
    block: schema.Block, values: dict[str, Any]
) -> Iterator[tuple[schema.Block, dict[str, Any]]]:
    """Every nested block, but those in sets, whose members have no place to be named by."""
    for name, nested in schema.blocks(block).items():
        inner = values.get(name)
        if nested["nesting_mode"] == "list" and isinstance(inner, list):
            yield from ((nested["block"], item) for item in inner if isinstance(item, dict))


def _made_up(kind: Any) -> Any:
    simple: dict[str, Any] = {"string": "made-up", "number": 1, "bool": False}
    if isinstance(kind, str):
        return simple.get(kind)
    return {} if kind[0] in {"map", "object"} else []
