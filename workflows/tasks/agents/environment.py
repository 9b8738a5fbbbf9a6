"""The environment of a coding agent: that of any untrusted program, and one provider's key.

No token for git or GitLab, no notification URL, no ssh-agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.core.sandbox.run import sandbox_environment

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.config.settings import Settings

# The same under the names that other libraries read.
_ALSO = {
    "OPENAI_BASE_URL": ("OPENAI_API_BASE",),
    "AWS_REGION_NAME": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "LITELLM_API_KEY": ("LITELLM_PROXY_API_KEY",),
    "LITELLM_API_BASE": ("LITELLM_PROXY_API_BASE",),
}


def agent_environment(settings: Settings, home: Path, *, provider: str | None) -> dict[str, str]:
    """The environment to start an agent with; with no provider it holds no key at all."""
    quiet = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
    chosen = sandbox_environment(quiet, home, proxy_passwords=True)  # its model is behind one
    for name, value in (settings.model_variables(provider) if provider else {}).items():
        chosen |= dict.fromkeys((name, *_ALSO.get(name, ())), value)
    return chosen
