"""A provider's schema, from what `terraform providers schema -json` prints to what is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.terraform import wire

if TYPE_CHECKING:
    from pathlib import Path

Block = dict[str, Any]

_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}


def load(path: Path) -> dict[str, Any]:
    """One provider's part of the printed schema."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def response(provider: dict[str, Any]) -> bytes:
    """GetProviderSchema.Response."""
    parts = [wire.data(1, _schema(provider["provider"]))]
    for field, kind in ((2, "resource_schemas"), (3, "data_source_schemas")):
        for name, schema in provider[kind].items():
            parts.append(wire.data(field, wire.data(1, name) + wire.data(2, _schema(schema))))
    return b"".join(parts)


def is_computed(attribute: Block) -> bool:
    """Whether the provider may fill in the value."""
    return bool(attribute.get("computed"))


def is_read_only(attribute: Block) -> bool:
    """Whether nobody but the provider may."""
    return is_computed(attribute) and not attribute.get("optional")


def attributes(block: Block) -> dict[str, Block]:
    """The attributes of a block, by name."""
    found: dict[str, Block] = block.get("attributes", {})
    return found


def blocks(block: Block) -> dict[str, Block]:
    """The nested blocks of a block, by name."""
    found: dict[str, Block] = block.get("block_types", {})
    return found


def _schema(schema: Block) -> bytes:
    return wire.number(1, schema.get("version", 0)) + wire.data(2, _block(schema["block"]))


def _block(block: Block) -> bytes:
    parts = [wire.data(2, _attribute(name, a)) for name, a in sorted(attributes(block).items())]
    parts += [wire.data(3, _nested(name, n)) for name, n in sorted(blocks(block).items())]
    return b"".join(parts)


def _attribute(name: str, attribute: Block) -> bytes:
    flags = ("required", "optional", "computed", "sensitive")
    parts = [wire.data(1, name), wire.data(2, json.dumps(attribute["type"]))]
    parts += [wire.number(4 + at, bool(attribute.get(flag))) for at, flag in enumerate(flags)]
    parts += [
        wire.number(9, bool(attribute.get("deprecated"))),
        wire.number(11, bool(attribute.get("write_only"))),
    ]
    return b"".join(parts)


def _nested(name: str, nested: Block) -> bytes:
    return b"".join(
        [
            wire.data(1, name),
            wire.data(2, _block(nested["block"])),
            wire.number(3, _NESTING[nested["nesting_mode"]]),
            wire.number(4, nested.get("min_items", 0)),
            wire.number(5, nested.get("max_items", 0)),
        ]
    )
