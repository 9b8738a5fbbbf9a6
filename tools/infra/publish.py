"""Publishes a message that starts a workflow: `publish.py WORKFLOW [PARAMETERS as JSON]`."""

from __future__ import annotations

import json
import sys

from tools.infra import cloud
from workflows.cli.catalog import FLOWS


def publish() -> int:
    """Publish and print the message's id."""
    workflow, parameters = _asked(*sys.argv[1:3])
    deployed = cloud.ready()
    message = json.dumps({"workflow": workflow, "parameters": parameters})
    printed = cloud.gcloud(
        "pubsub",
        "topics",
        "publish",
        deployed["topic"],
        f"--message={message}",
        f"--project={deployed['project_id']}",
        "--format=value(messageIds)",
    )
    print(printed)
    return 0


def _asked(workflow: str = "", parameters: str = "") -> tuple[str, dict[str, object]]:
    if workflow not in FLOWS:
        raise cloud.Refused(f"WORKFLOW must be one of {', '.join(FLOWS)}")
    try:
        found = json.loads(parameters or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise cloud.Refused("""PARAMS must be a JSON object, such as '{"git_url": "https://…"}'""")
    return workflow, found


if __name__ == "__main__":
    sys.exit(cloud.main(publish))
