"""From a GitLab issue or a feature request to a pushed branch and a merge request.

Flows are the top-level modules (`hello_world`); everything they stand on is in a folder.
Importing this package imports nothing else: start-up time is a feature.
"""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: the package's metadata take 20 ms to read."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.version("workflows")
    except metadata.PackageNotFoundError:  # staged beside a Cloud Function, or copied by hand
        return "0+unknown"
