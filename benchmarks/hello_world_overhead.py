"""hello_world as a whole process against the same git commands in a shell script."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.timing import Sample, alternate, clean_environment, median, ratio, timed

_SCRIPT = """\
set -e
folder=$(mktemp -d)
cd "$folder"
git clone --quiet "$URL" clone
cd clone
git checkout --quiet -b "$BRANCH"
printf '# Hello, world\\n' >HELLO.md
git add HELLO.md
git -c user.name=Workflows -c user.email=workflows@localhost commit --quiet -m 'Add HELLO.md'
git push --quiet origin "$BRANCH" 2>/dev/null
rm -rf "$folder"
"""
_HELPER = '!f() { echo username=oauth2; echo "password=$GIT_TOKEN"; }; f'


def measure() -> dict[str, Any]:
    """Wall-time ratio, median of 5 pairs, without and (where one can be started) with Prefect."""
    with tempfile.TemporaryDirectory() as scratch, servers.git_server(Path(scratch)) as server:
        env = clean_environment({"GIT_TOKEN": server.token})
        shell_env = env | {
            "URL": server.url,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": _HELPER,
        }

        def ours(extra: dict[str, str], mark: str, n: int) -> Sample:
            flags = ["--git_url", server.url, "--branch", f"{mark}-{n}"]
            args = [sys.executable, "-m", "workflows", *flags]
            return timed(
                args, env=env | {"WORKFLOW_NAME": "hello_world"} | extra, cwd=Path(scratch)
            )

        def script(mark: str, n: int) -> Sample:
            named = shell_env | {"BRANCH": f"{mark}-script-{n}"}
            return timed(["sh", "-c", _SCRIPT], env=named, cwd=Path(scratch))

        plain, shell = alternate(lambda n: ours({}, "plain", n), lambda n: script("plain", n))
        with servers.prefect_server(Path(scratch)) as api:
            prefect_env = {"PREFECT_API_URL": api, "PREFECT_HOME": scratch}
            shown, shell_again = alternate(
                lambda n: ours(prefect_env, "prefect", n), lambda n: script("prefect", n)
            )
    return {
        "name": "hello_world_overhead",
        "ratio": round(ratio(plain, shell), 2),
        "target": 3.0,
        "wall_s": round(median(plain, "wall_s"), 3),
        "script_wall_s": round(median(shell, "wall_s"), 3),
        "cpu_above_script_s": round(median(plain, "cpu_s") - median(shell, "cpu_s"), 3),
        "ratio_with_prefect": round(ratio(shown, shell_again), 2),
        "wall_with_prefect_s": round(median(shown, "wall_s"), 3),
    }
