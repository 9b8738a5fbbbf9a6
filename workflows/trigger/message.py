"""Messages that start a workflow: reading, checking and building them. Pure.

Two shapes mean the same:

```text
{"workflow": "hello_world", "parameters": {"git_url": "https://…"}}
{"job_name": "hello_world", "args": {"git_url": "https://…"}}
{"job_name": "hello_world", "args": ["--git_url=https://…", "--no-draft", "--label=a", "--label=b"]}
```

In a list each word is one flag: `--name=value`, `--name` (yes) or `--no-name` (no); a name that
comes twice is a list. `-` and `_` are the same in names. A parameter that is null is left out.
Lists and objects are kept as they are, and become JSON on the way to the job.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

MAX_MESSAGE_BYTES = 10_000_000  # of Pub/Sub, for the data of one message
MAX_ARGUMENT_BYTES = 32_768  # of Cloud Run, for one value of an environment variable
MAX_ARGUMENTS_BYTES = 524_288  # for all together: well below what Linux lets a process start with
MAX_PARAMETERS = 200
MAX_DEPTH = 16
MAX_FINDINGS = 20
_SHAPES = {"workflow": "parameters", "job_name": "args"}
_WORKFLOW = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-].*", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class MessageRefused(Exception):
    """Trying this message again changes nothing; `findings` are all that is wrong with it."""

    def __init__(self, *findings: str) -> None:
        self.findings = (*findings[:MAX_FINDINGS],)
        if len(findings) > MAX_FINDINGS:
            self.findings += (f"and {len(findings) - MAX_FINDINGS} more",)
        super().__init__("; ".join(self.findings))


@dataclass(frozen=True, slots=True)
class WorkflowMessage:
    """Which workflow is to run with which parameters; checked, as far as can be without a list.

    `workflow` is a workflow's name or that of its Cloud Run job.
    """

    workflow: str
    parameters: dict[str, Any] = field(default_factory=dict)


def parse_message(data: bytes) -> WorkflowMessage:
    """The message in `data`, JSON in UTF-8.

    Raises:
        MessageRefused: with everything that is wrong with it.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageRefused(f"{len(data)} bytes are more than {MAX_MESSAGE_BYTES}")
    return message_from_json(load_json(data))


def load_json(data: bytes) -> Any:
    """Parse JSON strictly: UTF-8, no name twice in an object, no NaN.

    Raises:
        MessageRefused: it is not.
    """
    if not data:
        raise MessageRefused("the message is empty")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise MessageRefused("the message is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MessageRefused(
            f"the message is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise MessageRefused(f"the message is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:  # a number of more digits than Python turns into an integer
        raise MessageRefused("the message holds a number that is too long") from None


def message_from_json(value: Any) -> WorkflowMessage:
    """Read a message from a decoded JSON value.

    Raises:
        MessageRefused: with everything that is wrong with it.
    """
    if not isinstance(value, dict):
        raise MessageRefused(f"the message is {json_kind(value)}, not an object")
    named, given = _shape(value)
    findings = [
        f"{_shown(key)} is unknown in a message; {named} goes with {given}"
        for key in value
        if key not in {named, given}
    ]
    workflow = value[named]
    if not isinstance(workflow, str) or not _WORKFLOW.fullmatch(workflow):
        findings.append(f"{named} must be a name such as hello_world")
        workflow = ""
    parameters = _parameters(value.get(given), given, findings)
    findings += check_values(parameters)
    if findings:
        raise MessageRefused(*findings)
    return WorkflowMessage(workflow, parameters)


def build_message(workflow: str, parameters: dict[str, Any]) -> bytes:
    """A message that `parse_message` takes: compact JSON with sorted names.

    Equal parameters give equal bytes.

    Raises:
        MessageRefused: with everything that is wrong with it.
    """
    message = message_from_json({"workflow": workflow, "parameters": parameters})
    whole = {"workflow": message.workflow, "parameters": message.parameters}
    try:
        data = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except TypeError as error:
        raise MessageRefused(f"a value cannot be JSON: {error}") from None
    return data.encode()


def flag_arguments(parameters: dict[str, Any]) -> list[str]:
    """`--name=value` for each parameter: one word each, so a value may begin with `-`."""
    return [f"--{name}={flag_text(value)}" for name, value in parameters.items()]


def flag_text(value: Any) -> str:
    """A value as written in a flag: text unchanged, everything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def check_values(parameters: dict[str, Any]) -> list[str]:
    """What is wrong with the values of parameters, a line each."""
    findings = []
    if len(parameters) > MAX_PARAMETERS:
        return [f"{len(parameters)} parameters are more than {MAX_PARAMETERS}"]
    total = 0
    for name, value in parameters.items():
        problem = _problem(value)
        size = 0 if problem else len(f"--{name}={flag_text(value)}".encode())
        if size > MAX_ARGUMENT_BYTES:
            problem = f"is {size} bytes long, more than {MAX_ARGUMENT_BYTES}"
        if problem:
            findings.append(f"{name} {problem}")
        total += size
    if total > MAX_ARGUMENTS_BYTES:
        findings.append(f"the parameters are {total} bytes, more than {MAX_ARGUMENTS_BYTES}")
    return findings


def json_kind(value: Any) -> str:
    """The kind of a JSON value, for error texts."""
    names = {dict: "an object", list: "a list", str: "text", bool: "yes or no", type(None): "null"}
    return names.get(type(value), "a number")


def _shape(message: dict[str, Any]) -> tuple[str, str]:
    """The key of the workflow in this message, and that of the parameters."""
    named = [key for key in _SHAPES if key in message]
    if len(named) != 1:
        both = "both workflow and job_name" if named else "neither workflow nor job_name"
        raise MessageRefused(f"the message has {both}; it needs one of them")
    return named[0], _SHAPES[named[0]]


def _parameters(given: Any, word: str, findings: list[str]) -> dict[str, Any]:
    """The parameters by name, whichever way they were given; `findings` grows."""
    found: dict[str, Any] = {}
    for key, value in _pairs(given, word, findings):
        name = key.replace("-", "_")
        if not _NAME.fullmatch(name):
            findings.append(f"{_shown(key)} is no name of a parameter")
        elif name not in found:
            found[name] = value
        elif isinstance(given, list):
            before = found[name]
            if isinstance(before, list):
                before.append(value)
            else:
                found[name] = [before, value]
        else:
            findings.append(f"{name} is given twice")
    return {name: value for name, value in found.items() if value is not None}


def _pairs(given: Any, word: str, findings: list[str]) -> list[tuple[str, Any]]:
    """Names and values as they were given, not checked yet; `findings` grows."""
    if given is None:
        return []
    if isinstance(given, list) and word == "args":
        return _flags(given, findings)
    if isinstance(given, dict):
        return [(str(key), value) for key, value in given.items()]
    findings.append(f"{word} must be an object, not {json_kind(given)}")
    return []


def _flags(words: list[Any], findings: list[str]) -> list[tuple[str, Any]]:
    """`--name=value` words as pairs."""
    pairs: list[tuple[str, Any]] = []
    for number, word in enumerate(words, 1):
        if not isinstance(word, str) or not word.startswith("--") or word == "--":
            findings.append(f"word {number} of args must be --name=value, one word")
            continue
        name, equals, value = word[2:].partition("=")
        if equals:
            pairs.append((name, value))
        else:
            pairs.append((name.removeprefix("no-").removeprefix("no_"), not _negated(name)))
    return pairs


def _negated(name: str) -> bool:
    return name.startswith(("no-", "no_"))


def _problem(value: Any) -> str:
    """Why a value cannot be sent; empty if it can."""
    if _too_deep(value):
        return f"is nested deeper than {MAX_DEPTH} levels"
    try:
        written = flag_text(value).encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    except ValueError:
        return "holds a number that is not finite or too long"
    except TypeError:
        return "cannot be JSON"
    if b"\x00" in written:
        return "holds a NUL character"
    return ""


def _too_deep(value: Any) -> bool:
    """Whether lists and objects are nested beyond the limit; does not recurse itself."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list | tuple):
                inner += one
        if not inner:
            return False
        level = inner
    return True


def _shown(name: str) -> str:
    """The start of an untrusted name, as far as it looks like a name; the rest may be a value."""
    shown = _NO_NAME.sub("", name)[:60]
    return f"'{shown}'" if shown == name else f"'{shown}…'"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MessageRefused(f"{_shown(name)} is given twice in one object")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise MessageRefused(f"{name} is no JSON")
