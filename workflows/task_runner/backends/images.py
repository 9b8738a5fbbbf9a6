"""The command that runs in place of a container image, from a YAML or JSON file.

```yaml
images:
  demo/echo: [echo]                  # the job's args are added
  demo/report:
    command: ["{python}", report.py] # {python} is the interpreter that runs Workflows
    env: {LEVEL: info}
    timeout: 60                      # seconds; default: none
```
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workflows.core.errors import ParametersInvalid

DEMO = Path(__file__).with_name("demo_images.yaml")


class Image(BaseModel):
    """A command, its further variables, and its time limit in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict)
    timeout: float | None = Field(None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, list) else value

    @property
    def argv(self) -> list[str]:
        """The command with its placeholder filled in."""
        return [sys.executable if part == "{python}" else part for part in self.command]


class ImageMap(BaseModel):
    """All images. `source` is what messages call the map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: dict[str, Image]
    source: str = Field("the map", exclude=True)

    @classmethod
    def read(cls, path: Path) -> ImageMap:
        """The map of a file; `demo` is the one that comes with Workflows.

        Raises:
            ParametersInvalid: the file cannot be read, or a line for each value that is wrong.
        """
        path = DEMO if str(path) == "demo" else path
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ParametersInvalid(f"{path} cannot be read", why=str(error)) from error
        try:
            return cls.model_validate({**(found or {}), "source": path.name})
        except (ValidationError, TypeError) as error:
            raise ParametersInvalid(
                f"{path} is no map of images", why=str(error), fix=f"compare it with {DEMO}"
            ) from None

    def find(self, uri: str) -> Image | None:
        """The image of this address, else without its digest, its tag, its registry."""
        bare = uri.partition("@")[0]
        head, slash, last = bare.rpartition("/")
        name = f"{head}{slash}{last.partition(':')[0]}"
        host, _, path = name.partition("/")
        is_registry = "." in host or ":" in host or host == "localhost"
        spellings = [uri, bare, name, *([path] if is_registry else [])]
        return next((self.images[one] for one in spellings if one in self.images), None)
