"""Runs Terraform with stand-in providers: no registry, no cloud, no account.

    python -m tools.terraform.stand_in terraform -chdir=FOLDER validate

The real terraform binary talks to `provider.StandIn` over a private socket for each schema in
schemas/. What is found is what names, types, required arguments and references can tell; the
real provider knows more. `terraform init` installs nothing this way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from tools.terraform import schema
from tools.terraform.provider import StandIn
from workflows.core.config import environment

SCHEMAS = Path(__file__).resolve().parent / "schemas"
_MAX_MESSAGE_BYTES = 64 << 20


def main(command: list[str]) -> int:
    """Run `command` with the providers in its environment; its exit code."""
    with tempfile.TemporaryDirectory(prefix="terraform-") as folder:
        servers, attach = [], {}
        for path in sorted(SCHEMAS.glob("*.json")):
            name = path.stem.split("-")[0]
            server, attach[f"hashicorp/{name}"] = _serve(path, f"{folder}/{name}.sock")
            servers.append(server)
        try:
            return subprocess.run(command, env=_environment(attach), check=False).returncode
        finally:
            for server in servers:
                server.stop(None)


def _serve(path: Path, socket: str) -> tuple[grpc.Server, dict[str, object]]:
    limit = ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES)
    server = grpc.server(ThreadPoolExecutor(4), options=[limit])
    server.add_generic_rpc_handlers((StandIn(schema.load(path)).handler(),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    address = {"Network": "unix", "String": socket}
    return server, {
        "Protocol": "grpc",
        "ProtocolVersion": 6,
        "Pid": os.getpid(),
        "Test": True,
        "Addr": address,
    }


def _environment(attach: dict[str, dict[str, object]]) -> dict[str, str]:
    return environment.whole() | {"TF_REATTACH_PROVIDERS": json.dumps(attach)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
