"""The same with dask's threaded scheduler. `python peer_dask.py FILE PORT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import yaml
from dask.threaded import get  # type: ignore[import-not-found,unused-ignore]

_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64)


def main(file: str, port: str) -> None:
    """Run every step of the file."""
    found = yaml.load(Path(file).read_text(), Loader=yaml.CSafeLoader)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", limits=_LIMITS)

    def run(one: dict[str, Any], *_needs: object) -> str:
        body = {"job_name": one["id"], "imageUri": "img", "args": one["task"]["args"]}
        job = client.post("/job", json=body).json()["job"]
        while job["state"] != "SUCCEEDED":
            job = client.get("/jobstatus", params={"job_id": job["jobId"]}).json()["job"]
        return str(one["id"])

    graph: dict[str, Any] = {}
    for one in found["steps"]:
        graph[one["id"]] = ((lambda *needs, one=one: run(one, *needs)), *one.get("dependsOn", []))
    graph["all"] = (list, list(graph))
    get(graph, "all", num_workers=64)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
