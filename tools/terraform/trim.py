"""Makes schemas/NAME-VERSION.json of what Terraform prints of the real providers.

    terraform -chdir=infrastructure providers schema -json | python -m tools.terraform.trim

Kept is what infrastructure/ uses, without descriptions. VERSION is the one the lock file names.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = Path(__file__).resolve().parent / "schemas"
_KINDS = {"resource_schemas": "resource", "data_source_schemas": "data"}


def main() -> None:
    """Read the printed schema from stdin and write each provider's part."""
    lock = (ROOT / "infrastructure" / ".terraform.lock.hcl").read_text(encoding="utf-8")
    for address, printed in json.load(sys.stdin)["provider_schemas"].items():
        version = re.search(rf'"{re.escape(address)}" {{\s+version\s+= "(.*?)"', lock)
        name = address.rsplit("/", 1)[-1]
        write(name, version[1] if version else "unknown", printed)


def write(name: str, version: str, printed: dict[str, Any]) -> None:
    """Write one provider's schema, a line for each type, and drop that of another version."""
    parts = {kind: _used(word, printed.get(kind, {})) for kind, word in _KINDS.items()}
    parts["provider"] = printed["provider"]
    for old in SCHEMAS.glob(f"{name}-*.json"):
        old.unlink()
    lines = [f"{json.dumps(kind)}: {_lines(kind, part)}" for kind, part in sorted(parts.items())]
    SCHEMAS.mkdir(exist_ok=True)
    (SCHEMAS / f"{name}-{version}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _used(word: str, schemas: dict[str, Any]) -> dict[str, Any]:
    text = "\n".join(path.read_text() for path in (ROOT / "infrastructure").rglob("*.tf"))
    names = set(re.findall(rf'^{word} "(\w+)"', text, re.MULTILINE))
    return {name: schema for name, schema in sorted(schemas.items()) if name in names}


def _lines(kind: str, part: dict[str, Any]) -> str:
    if kind == "provider":
        return _short(part)
    return "{\n" + ",\n".join(f"{json.dumps(n)}: {_short(s)}" for n, s in part.items()) + "\n}"


def _short(schema: dict[str, Any]) -> str:
    return json.dumps(_bare(schema), sort_keys=True, separators=(",", ":"))


def _bare(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: _bare(inner)
        for key, inner in value.items()
        if not (key.startswith("description") and isinstance(inner, str))
    }


if __name__ == "__main__":
    main()
