"""The embedded GitLab on its own: requests a second and how long a clone takes. Reported only."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import servers
from benchmarks.timing import clean_environment, timed

_REQUESTS = 500
_CLONES = 7


def measure() -> dict[str, Any]:
    """`GET issue` one after the other on one connection, and plain clones of the demo project."""
    with tempfile.TemporaryDirectory() as scratch, servers.gitlab_server(Path(scratch)) as lab:
        rate, slowest = _requests(lab.variables)
        clones = [_clone(lab.variables, Path(scratch), n) for n in range(_CLONES + 1)][1:]
    return {
        "name": "embedded_gitlab",
        "get_issue_per_s": round(rate),
        "get_issue_p99_ms": round(slowest * 1000, 1),
        "clone_s": round(statistics.median(clones), 3),
    }


def _requests(variables: dict[str, str]) -> tuple[float, float]:
    """Requests a second, and the time 99 of 100 stay below."""
    host = urlsplit(variables["GITLAB_URL"]).netloc
    project = variables["GITLAB_PROJECT"].replace("/", "%2F")
    connection = http.client.HTTPConnection(host, timeout=30)
    taken = []
    for _ in range(_REQUESTS):
        start = time.perf_counter()
        connection.request(
            "GET",
            f"/api/v4/projects/{project}/issues/1",
            headers={"PRIVATE-TOKEN": variables["GITLAB_TOKEN"]},
        )
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        taken.append(time.perf_counter() - start)
    connection.close()
    return len(taken) / sum(taken), statistics.quantiles(taken, n=100)[98]


def _clone(variables: dict[str, str], scratch: Path, number: int) -> float:
    url = f"{variables['GITLAB_URL']}/{variables['GITLAB_PROJECT']}.git"
    helper = f"!f() {{ echo username=oauth2; echo password={variables['GITLAB_TOKEN']}; }}; f"
    env = clean_environment(
        {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": helper,
        }
    )
    args = ["git", "clone", "--quiet", url, f"clone-{number}"]
    return timed(args, env=env, cwd=scratch).wall_s
