"""Command-line flags: from a flow's parameter model to argparse, and from argv to values.

`--kebab-case` is what help shows; `--snake_case` is accepted everywhere. Everything wrong with a
command line is collected and told at once; argparse alone would stop at the first.
"""

from __future__ import annotations

import argparse
import json
import typing
from typing import TYPE_CHECKING, Any, NoReturn

from workflows.core.errors import CommandLineInvalid
from workflows.core.nearest import nearest
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo

    from workflows.core.flow import Flow


_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


class Parser(argparse.ArgumentParser):
    """argparse with our error instead of its own exit, and no abbreviated flags."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            CommandLineInvalid: always.
        """
        raise CommandLineInvalid(message, fix=f"see `{self.prog} --help`")


def flag_name(field_name: str) -> str:
    """`git_url` -> `--git-url`."""
    return "--" + field_name.replace("_", "-")


def add_flow_flags(parser: argparse.ArgumentParser, flow: Flow) -> None:
    """One flag for each field of the flow's parameters, required ones first."""
    fields = sorted(
        flow.parameters.model_fields.items(), key=lambda item: not item[1].is_required()
    )
    for name, field in fields:
        help_text = (field.description or "").replace("%", "%%")
        suffix = " (required)" if field.is_required() else f" (default: {shown_default(field)})"
        options: dict[str, Any] = {"dest": name, "default": None, "help": help_text + suffix}
        names = [flag_name(name), *_other_names(name, field)]
        if is_switch(field):
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, **options)
        else:
            action = "append" if _is_list(field) else "store"
            metavar = name.rsplit("_", 1)[-1].upper()
            parser.add_argument(*names, metavar=metavar, action=action, **options)


def _other_names(name: str, field: FieldInfo) -> list[str]:
    """Flags for the other names a field goes by (`AliasChoices`)."""
    choices = getattr(field.validation_alias, "choices", ())
    return [flag_name(one) for one in choices if isinstance(one, str) and one != name]


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags every run has, whatever the flow."""
    parser.add_argument(
        "--json", action="store_true", help="print the outcome as one JSON object, the last line"
    )
    parser.add_argument(
        "--quiet", "-q", action="store_true", help="print errors only (and --json's object)"
    )
    parser.add_argument(
        "--prefect",
        choices=("auto", "off", "ephemeral"),
        help="show the run in Prefect: where PREFECT_API_URL is set (auto), never, or on a server"
        " started for this run",
    )


def sift(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """Parse `argv` and collect what is wrong with it: unknown flags, missing values, extra words.

    Raises:
        CommandLineInvalid: what argparse itself refuses, such as a value that is no choice.
    """
    clean, problems = _tidy(parser, argv)
    try:
        found, extra = parser.parse_known_args(clean)
    except CommandLineInvalid as error:  # argparse's own findings stop it: say them with ours
        error.what = "\n       ".join([*problems, error.what])
        raise
    return found, problems + [f"{redact(word)!r}: not expected here" for word in extra]


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse `argv`.

    Raises:
        CommandLineInvalid: with a line for each finding.
    """
    found, problems = sift(parser, argv)
    if problems:
        raise CommandLineInvalid(
            "the command line is not right",
            why="\n".join(problems),
            fix=f"see `{parser.prog} --help`",
        )
    return found


def values_of(flow: Flow, found: argparse.Namespace) -> dict[str, Any]:
    """The flow's parameters that were given, by field name; lists and objects from JSON."""
    values = {}
    for name, field in flow.parameters.model_fields.items():
        given = getattr(found, name)
        if given is not None:
            values[name] = _value(field, given)
    return values


def is_switch(field: FieldInfo) -> bool:
    """Whether the field is a yes/no, with the flags `--x` and `--no-x`."""
    return field.annotation is bool


def shown_default(field: FieldInfo) -> str:
    """The default for people: `none` rather than `None`."""
    default = field.get_default(call_default_factory=True)
    return "none" if default is None else str(default)


def _is_list(field: FieldInfo) -> bool:
    return typing.get_origin(field.annotation) in {list, tuple, frozenset}


def _value(field: FieldInfo, given: Any) -> Any:
    if _is_list(field):
        items: list[Any] = []
        for text in given:
            items += json.loads(text) if text.startswith("[") else text.split(",")
        return items
    if isinstance(given, str) and typing.get_origin(field.annotation) is dict:
        return json.loads(given)
    return given


def _tidy(parser: argparse.ArgumentParser, argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Rewrite flags as `--kebab-case=value` and find unknown ones and missing values."""
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public list
    clean: list[str] = []
    problems: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            clean.append(word)
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        action = known.get(name)
        if action is None:
            close = nearest(name, [flag for flag in known if flag.startswith("--")])
            problems.append(f"{name}: unknown" + (f", did you mean {close}?" if close else ""))
            if not equals and words and not words[0].startswith("-"):
                words.pop(0)
        elif action.nargs == 0:
            if equals and value.lower() not in _YES | _NO:
                problems.append(f"{name}: is yes or no, not {value!r}")
            elif (
                not equals
                or value.lower() in _YES
                or isinstance(action, argparse.BooleanOptionalAction)
            ):
                clean.append(_switch(name, value) if equals else name)
        elif equals:
            clean.append(f"{name}={value}")
        elif words and not words[0].startswith("--"):
            clean.append(f"{name}={words.pop(0)}")
        else:
            problems.append(f"{name}: needs a value")
    return clean, problems


def _switch(name: str, value: str) -> str:
    """`--draft=false` as messages write it -> `--no-draft`."""
    positive = name.removeprefix("--no-").removeprefix("--")
    wanted = value.lower() in _YES
    if name.startswith("--no-"):
        wanted = not wanted
    return f"--{positive}" if wanted else f"--no-{positive}"
