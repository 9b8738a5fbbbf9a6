"""resolve_issue as a whole process against the same git and REST calls in a shell script.

What the agent and the check command take in the flow is taken off; in the script they are as good
as nothing. What is left is the overhead.
"""

from __future__ import annotations

import json
import sys
import tempfile
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.timing import Sample, alternate, clean_environment, median, ratio, timed

# The requests and git operations of resolve_issue, one for one and in its order.
_SCRIPT = """\
set -e
folder=$(mktemp -d)
cd "$folder"
p="$GITLAB_URL/api/v4/projects/$PROJECT"
branch="$IID-the-total-of-a-basket"
call() { curl -sS -o answer -H "PRIVATE-TOKEN: $GITLAB_TOKEN" "$@"; }
json() { call --fail -H 'Content-Type: application/json' "$@"; }
notes() { call "$p/issues/$IID/notes?sort=asc&order_by=created_at&page=1&per_page=100"; }
requests() { call "$p/merge_requests?state=all&scope=all&source_branch=$branch&per_page=100"; }
call "$GITLAB_URL/api/v4/user"
call "$p"
call "$p/issues/$IID"
notes
notes
requests
call "$p/repository/branches/$branch"
json -d "{\\"branch\\": \\"$branch\\", \\"ref\\": \\"main\\"}" "$p/repository/branches"
call "$p/repository/branches/$branch"
json -d '{"body": "Working."}' "$p/issues/$IID/notes"
note=$(sed 's/^{"id": *\\([0-9]*\\).*/\\1/' answer)
notes
git clone --quiet --no-tags --filter=blob:none --no-checkout "$GITLAB_URL/acme/shop.git" clone
cd clone
git checkout --quiet -b "$branch" "origin/$branch"
sh -c "$AGENT" </dev/null
git add --all
git -c user.name=Workflows -c user.email=workflows@localhost commit --quiet -m 'Resolve it'
git clone --quiet --no-local --depth=1 "file://$folder/clone" ../checkout 2>/dev/null
(cd ../checkout && true)
call "$p/issues/$IID/notes/$note"
json -X PUT -d '{"body": "Checked."}' "$p/issues/$IID/notes/$note"
git push --quiet origin "$branch" 2>/dev/null
requests
requests
call "$p/repository/branches/$branch"
json -d "{\\"source_branch\\": \\"$branch\\", \\"target_branch\\": \\"main\\",
  \\"title\\": \\"Draft: $branch\\", \\"description\\": \\"Closes #$IID\\"}" "$p/merge_requests"
call "$p/issues/$IID/notes/$note"
json -X PUT -d '{"body": "Done."}' "$p/issues/$IID/notes/$note"
rm -rf "$folder"
"""
_HELPER = '!f() { echo username=oauth2; echo "password=$GITLAB_TOKEN"; }; f'
_AGENT = "echo 'one more line' >>README.md"


def measure() -> dict[str, Any]:
    """Wall-time ratio, median of 5 pairs; and the requests each made."""
    with tempfile.TemporaryDirectory() as scratch, servers.gitlab_server(Path(scratch)) as lab:
        env = clean_environment({**lab.variables, "AGENT": _AGENT})
        git = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": _HELPER,
        }
        project = lab.variables["GITLAB_PROJECT"]

        def ours(_: int) -> Sample:
            flags = ["--project", project, "--issue-iid", str(_new_issue(lab.variables))]
            flags += ["--agent-backend", "command", "--agent-command", f'sh -c "{_AGENT}"']
            args = [sys.executable, "-m", "workflows", "run", "resolve_issue", "--json", *flags]
            run = timed([*args, "--check-command", "true"], env=env, cwd=Path(scratch))
            result = json.loads(run.last_line)["result"]
            return replace(run, wall_s=run.wall_s - result["agent_s"] - result["check_s"])

        def script(_: int) -> Sample:
            iid = str(_new_issue(lab.variables))
            named = env | git | {"IID": iid, "PROJECT": project.replace("/", "%2F")}
            return timed(["sh", "-c", _SCRIPT], env=named, cwd=Path(scratch))

        flow, shell = alternate(ours, script)
    return {
        "name": "resolve_issue_overhead",
        "ratio": round(ratio(flow, shell), 2),
        "target": 1.8,
        "wall_s": round(median(flow, "wall_s"), 3),
        "script_wall_s": round(median(shell, "wall_s"), 3),
        "cpu_above_script_s": round(median(flow, "cpu_s") - median(shell, "cpu_s"), 3),
    }


def _new_issue(variables: dict[str, str]) -> int:
    """Open an issue and return its iid; not part of what is timed."""
    project = variables["GITLAB_PROJECT"].replace("/", "%2F")
    request = urllib.request.Request(  # noqa: S310 - 127.0.0.1
        f"{variables['GITLAB_URL']}/api/v4/projects/{project}/issues",
        data=json.dumps({"title": "The total of a basket"}).encode(),
        headers={"PRIVATE-TOKEN": variables["GITLAB_TOKEN"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return int(json.load(answer)["iid"])
