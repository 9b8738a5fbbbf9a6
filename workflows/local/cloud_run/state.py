"""What Cloud Run holds: jobs, their executions, secrets, and who may do what."""

from __future__ import annotations

import sys
import threading
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from workflows.local.cloud_run.executions import CloudRunExecution
from workflows.local.cloud_run.model import CloudRunJob, Json, spec_of
from workflows.local.cloud_run.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROJECT = "demo-project"
REGION = "us-central1"
GRACE_S = 10.0
_CLOSE_S = 5.0


class CloudRunState:
    """Jobs, executions, permissions and secrets. Hold `lock` to read or change them while served.

    `images` maps a pattern of an image (`*`, `?`) to the command that is its entrypoint here; the
    default is this program, `python -m workflows`. A container's `command` replaces it, as it
    replaces an ENTRYPOINT. `grace_s` is from SIGTERM to SIGKILL. Without a `grant` everybody may
    do everything. `secrets` holds the values that `secretKeyRef`s of jobs name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        images: Mapping[str, Sequence[str]] | None = None,
        grace_s: float = GRACE_S,
        project: str = PROJECT,
        region: str = REGION,
    ) -> None:
        self.parent = f"projects/{project}/locations/{region}"
        self.lock = threading.RLock()
        self.url = ""
        self.jobs: dict[str, CloudRunJob] = {}
        self.executions: list[CloudRunExecution] = []
        self.grants: dict[str | None, list[tuple[str, str]]] = {}
        self.secrets: dict[str, str] = {}
        self._folder = folder
        self._images = dict(images or {})
        self._grace_s = grace_s

    def grant(self, token: str, role: str, *, job: str = "") -> None:
        """Give the bearer of a token a role, on one job or everywhere; from now on all need one.

        Raises:
            ValueError: the role is not known here.
        """
        if role not in ROLES:
            raise ValueError(f"{role} is not one of {', '.join(ROLES)}")
        self.grants.setdefault(token, []).append((role, job))

    def add_job(  # noqa: PLR0913 - the fields of a job
        self,
        name: str,
        image: str = "workflows",
        *,
        command: Sequence[str] = (),
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        task_count: int = 1,
        max_retries: int = 3,
        timeout_s: float = 600,
    ) -> CloudRunJob:
        """Add a job, or replace it. `env` values are plain; secrets come through the API."""
        container: Json = {"image": image, "command": list(command), "args": list(args)}
        container["env"] = [{"name": k, "value": v} for k, v in (env or {}).items()]
        task = {
            "containers": [container],
            "maxRetries": max_retries,
            "timeout": f"{timeout_s:g}s",
        }
        job = CloudRunJob(f"{self.parent}/jobs/{name}", {"taskCount": task_count, "template": task})
        spec_of(job.template)
        with self.lock:
            self.jobs[job.name] = job
        return job

    def start(self, job: CloudRunJob, overrides: Json | None = None) -> CloudRunExecution:
        """Begin an execution in a thread of its own.

        Raises:
            ApiError: 400, the overrides are not allowed.
        """
        spec = job.spec(overrides)
        with self.lock:
            taken = {one.id for one in self.executions}
            execution = CloudRunExecution(job, spec, self._folder, grace_s=self._grace_s)
            while execution.id in taken:
                execution = CloudRunExecution(job, spec, self._folder, grace_s=self._grace_s)
            self.executions.append(execution)
            job.execution_count += 1
            job.latest = {"name": execution.name, "createTime": execution.create_time}
        argv = list(spec.command) or self._entrypoint(spec.image)
        threading.Thread(
            target=execution.run, args=(argv, self._secret), name=execution.id, daemon=True
        ).start()
        return execution

    def _entrypoint(self, image: str) -> list[str]:
        for pattern, command in self._images.items():
            if fnmatchcase(image, pattern):
                return list(command)
        return [sys.executable, "-m", "workflows"]

    def _secret(self, name: str, version: str) -> str:
        return self.secrets[name.rpartition("/")[2]]

    def forget(self, execution: CloudRunExecution) -> None:
        """Stop an execution if it runs, and remove it."""
        execution.close()
        with self.lock:
            self.executions.remove(execution)

    def wait(self, execution: CloudRunExecution, timeout_s: float = 60) -> str:
        """Wait until an execution has ended and return its state.

        Raises:
            TimeoutError: it runs longer than `timeout_s` seconds.
        """
        if not execution.ended.wait(timeout_s):
            raise TimeoutError(f"{execution.id} still runs")
        return execution.state

    def close(self) -> None:
        """Stop every execution and wait for them, five seconds at most."""
        running = [one for one in self.executions if not one.ended.is_set()]
        for execution in running:
            execution.close()
        for execution in running:
            execution.ended.wait(_CLOSE_S)
