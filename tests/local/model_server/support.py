"""What the model's tests share: recordings on disk, and a plain HTTP client for its API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from workflows.local.model_server import RecordedModel


def record(folder: Path, name: str, **data: Any) -> None:
    """Write a recording as a person would."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(data))


@dataclass
class Client:
    """Asks a model the way OpenAI's clients do."""

    http: httpx.Client
    base_url: str
    model: RecordedModel

    def ask(self, prompt: str, **more: Any) -> httpx.Response:
        """One chat request whose only message is `prompt`."""
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], **more}
        return self.http.post(f"{self.base_url}/v1/chat/completions", json=body)

    def said(self, prompt: str) -> str:
        """The text of the answer."""
        text: str = self.ask(prompt).json()["choices"][0]["message"]["content"]
        return text


def events(response: httpx.Response) -> list[Any]:
    """The events of a stream; the last one, `[DONE]`, as that word."""
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def text_of(stream: list[Any]) -> str:
    """The words of a stream put together."""
    deltas = [event["choices"][0]["delta"] for event in stream[:-1] if event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
