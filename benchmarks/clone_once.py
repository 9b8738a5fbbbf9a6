"""`python -m benchmarks.clone_once URL FOLDER`: one `clone_repository`, as a process to time."""

from __future__ import annotations

import sys
from pathlib import Path

from workflows.core.config.settings import load
from workflows.tasks.git import clone_repository

if __name__ == "__main__":
    clone_repository(sys.argv[1], Path(sys.argv[2]), settings=load())
