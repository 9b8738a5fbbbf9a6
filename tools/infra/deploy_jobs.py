"""Gives every job of the catalogue the image built last, by digest, and changes nothing else.

`gcloud run jobs update --image` keeps a job's variables, secrets and limits; those are Terraform's.
"""

from __future__ import annotations

import json
import re
import sys

from tools.infra import cloud

_BY_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def deploy_jobs() -> int:
    """Update each job; what has been updated stays so where a later one fails, and is said."""
    deployed = cloud.ready()
    images = _images()
    if not deployed["job_names"]:
        raise cloud.Refused("there are no jobs yet; run: make infra-apply")
    for workflow, job in deployed["job_names"].items():
        image = images[deployed["job_images"][workflow]]
        cloud.gcloud(
            "run",
            "jobs",
            "update",
            job,
            f"--image={image}",
            f"--region={deployed['region']}",
            f"--project={deployed['project_id']}",
            "--quiet",
        )
        print(f"{job}: {image}")
    return 0


def _images() -> dict[str, str]:
    if not cloud.IMAGES.exists():
        raise cloud.Refused("no image is known; run: make build-and-push")
    images: dict[str, str] = json.loads(cloud.IMAGES.read_text(encoding="utf-8"))["images"]
    for image in images.values():
        if not _BY_DIGEST.search(image):
            raise cloud.Refused(f"{image} is not named by digest; run: make build-and-push")
    return images


if __name__ == "__main__":
    sys.exit(cloud.main(deploy_jobs))
