"""Recorded answers on disk: one JSON file each, found by prompt, written atomically.

    {"when": {"contains": ["words of the prompt"]}, "answer": "text", "usage": {…}}

`when` holds `contains` (every one occurs in what the user's side said) or `sha256` (of the whole
talk, as record mode writes it), both after `chat.normalised`. `answer` is a text, or a list of
the pieces it is streamed in; `tool_calls` is optional. Several files with the same `when` play
in the order of their names, and the last one repeats.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.core.redaction import redact
from workflows.local.model_server.chat import ChatAnswer, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.local.model_server.chat import ChatRequest

DEMO_RECORDINGS = Path(__file__).resolve().parent / "demo_recordings"
_NOTE_LENGTH = 200


class RecordingInvalid(ValueError):
    """A file in the folder that is no recording; the text names it and says why."""


@dataclass(frozen=True)
class Recording:
    """One file: which prompts it answers, and the answer."""

    contains: tuple[str, ...]
    sha256: str | None
    answer: ChatAnswer

    def fits(self, question: ChatRequest) -> bool:
        """Whether this is an answer to the question."""
        if self.sha256 is not None:
            return self.sha256 == question.sha256
        return all(words in question.asked for words in self.contains)

    @property
    def narrowness(self) -> tuple[bool, int]:
        """Of several recordings that fit, the one with the greatest value is played."""
        return self.sha256 is not None, sum(map(len, self.contains))


class Recordings:
    """The recordings of a folder, and how often each was played. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Read every `*.json` of the folder; one that is not there yet holds none.

        Raises:
            RecordingInvalid: one of them is no recording.
        """
        self.folder = folder
        self._lock = threading.Lock()
        self._all = [read_recording(path) for path in sorted(folder.glob("*.json"))]
        self._played: dict[tuple[object, ...], int] = {}

    def answer(self, question: ChatRequest) -> ChatAnswer | None:
        """The next answer to this question, or None where none is recorded."""
        with self._lock:
            fitting = [recording for recording in self._all if recording.fits(question)]
            if not fitting:
                return None
            best = max(fitting, key=lambda recording: recording.narrowness)
            key = (best.contains, best.sha256)
            same = [one for one in fitting if (one.contains, one.sha256) == key]
            number = self._played.get(key, 0)
            self._played[key] = number + 1
            return same[min(number, len(same) - 1)].answer

    def add(self, question: ChatRequest, answer: ChatAnswer) -> Path:
        """Keep an answer in a new file of the folder (redacted) and play it from now on.

        Raises:
            OSError: the folder cannot be written.
        """
        data: dict[str, Any] = {
            "note": redact(question.last[: 10 * _NOTE_LENGTH])[:_NOTE_LENGTH],
            "when": {"sha256": question.sha256},
            "answer": redact(answer.text).splitlines(keepends=True),
        }
        if answer.tool_calls:
            data["tool_calls"] = [
                {name: redact(text) for name, text in call.items()} for call in answer.tool_calls
            ]
        if answer.usage:
            data["usage"] = dict(answer.usage)
        with self._lock:
            path = _write_new(self.folder, question.sha256[:12], data)
            self._all.append(read_recording(path))
        return path


def read_recording(path: Path) -> Recording:
    """One recording.

    Raises:
        RecordingInvalid: the file is not JSON, or not of the shape above.
    """
    try:
        return _recording(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise RecordingInvalid(f"{path.name}: {type(error).__name__}: {error}") from error


def _recording(data: Mapping[str, Any]) -> Recording:
    when = data["when"]
    sha256, contains = when.get("sha256"), when.get("contains", [])
    if not isinstance(contains, list) or (sha256 is None) == (not contains):
        raise ValueError("'when' needs either 'contains', a list of texts, or 'sha256'")
    return Recording(tuple(normalised(words) for words in contains), sha256, _answer(data))


def _answer(data: Mapping[str, Any]) -> ChatAnswer:
    spoken = data["answer"]
    chunks = (spoken,) if isinstance(spoken, str) else tuple(spoken)
    if not all(isinstance(chunk, str) for chunk in chunks):
        raise TypeError("'answer' is a text or a list of texts")
    calls = tuple(
        {"name": str(call["name"]), "arguments": str(call["arguments"])}
        for call in data.get("tool_calls", ())
    )
    told = {str(name): int(count) for name, count in data.get("usage", {}).items()}
    return ChatAnswer(tuple(filter(None, chunks)), calls, told)


def _write_new(folder: Path, stem: str, data: Mapping[str, Any]) -> Path:
    """Write a new file `STEM-N.json` atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".recording-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as scratch:
            json.dump(data, scratch, ensure_ascii=False, indent=2)
            scratch.write("\n")
        Path(name).chmod(0o644)
        number = 1
        while (target := folder / f"{stem}-{number:02}.json").exists():
            number += 1
        return Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
