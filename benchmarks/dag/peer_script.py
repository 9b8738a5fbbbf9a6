"""What people write: graphlib, a thread pool, httpx. `python peer_script.py FILE PORT`."""

from __future__ import annotations

import sys
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path

import httpx
import yaml

_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64)


def main(file: str, port: str) -> None:
    """Run every step of the file."""
    found = yaml.load(Path(file).read_text(), Loader=yaml.CSafeLoader)
    steps = {one["id"]: one for one in found["steps"]}
    sorter = TopologicalSorter({name: one.get("dependsOn", []) for name, one in steps.items()})
    sorter.prepare()
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", limits=_LIMITS)

    def run(name: str) -> str:
        task = steps[name]["task"]
        body = {"job_name": name, "imageUri": task["imageUri"], "args": task["args"]}
        job = client.post("/job", json=body).json()["job"]
        while job["state"] != "SUCCEEDED":
            job = client.get("/jobstatus", params={"job_id": job["jobId"]}).json()["job"]
        return name

    with ThreadPoolExecutor(64) as pool:
        running = set()
        while sorter.is_active():
            running |= {pool.submit(run, name) for name in sorter.get_ready()}
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                sorter.done(one.result())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
