"""Builds the images in Cloud Build and notes their digests in build/images.tfvars.json.

The tag is the commit, so a tree with changes that are not committed is refused: nobody could
tell later what runs.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tools.infra import cloud
from workflows.core import process
from workflows.core.config import environment

NAMES = ("workflows", "agent", "task-runner")


def build_and_push() -> int:
    """Build, test and push; then name every image by digest."""
    deployed = cloud.ready()
    commit = _commit()
    _submit(deployed, commit)
    images = {name: _by_digest(deployed["registry"], name, commit) for name in NAMES}
    cloud.IMAGES.parent.mkdir(exist_ok=True)
    of_jobs = {name: image for name, image in images.items() if name != "task-runner"}
    cloud.IMAGES.write_text(json.dumps({"images": of_jobs}, indent=2) + "\n", encoding="utf-8")
    for image in images.values():
        print(image)
    print(f"noted in {cloud.IMAGES.relative_to(cloud.ROOT)}; next: make deploy-jobs")
    return 0


def _submit(deployed: dict[str, Any], commit: str) -> None:
    substitutions = {"_REGISTRY": deployed["registry"], "_TAG": commit}
    cloud.gcloud(
        "builds",
        "submit",
        str(cloud.ROOT),
        f"--config={cloud.ROOT / 'cloudbuild.yaml'}",
        f"--project={deployed['project_id']}",
        f"--region={deployed['region']}",
        f"--service-account={deployed['builder']}",
        f"--gcs-source-staging-dir=gs://{deployed['source_bucket']}/images",
        "--substitutions=" + ",".join(f"{name}={value}" for name, value in substitutions.items()),
    )


def _by_digest(registry: str, name: str, tag: str) -> str:
    wanted = "--format=value(image_summary.digest)"
    digest = cloud.gcloud(
        "artifacts", "docker", "images", "describe", f"{registry}/{name}:{tag}", wanted
    )
    return f"{registry}/{name}@{digest}"


def _commit() -> str:
    def git(*words: str) -> str:
        args = ["git", "-C", str(cloud.ROOT), *words]
        return process.run(args, env=environment.whole(), timeout_s=60).stdout.strip()

    if git("status", "--porcelain"):
        raise cloud.Refused("there are changes that are not committed; commit them first")
    return git("rev-parse", "HEAD")


if __name__ == "__main__":
    sys.exit(cloud.main(build_and_push))
