"""Command-line flags: from declared parameters to argparse, and from argv to values.

`--kebab-case` is what help shows; `--snake_case` is accepted everywhere. Everything that is wrong
with a command line is reported at once; argparse alone would stop at the first.
"""

from __future__ import annotations

import argparse
import json
import typing
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import workflows
from workflows.cli import output
from workflows.core.config.choices import PrefectMode
from workflows.core.config.declare import Kind, shown_value
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid
from workflows.core.nearest import nearest
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo

    from workflows.core.config.declare import Declared, Values
    from workflows.core.config.settings import Settings
    from workflows.core.flow import Flow


V = typing.TypeVar("V", bound="Values")

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


class VersionFlag(argparse.Action):
    """Prints the version and ends; only then is the package's metadata read, which takes 20 ms."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        text = "Print the version and end."
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=text)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print `workflows VERSION`.

        Raises:
            SystemExit: always, with 0.
        """
        output.say(f"workflows {workflows.__version__}")
        parser.exit()


def flag_name(field_name: str) -> str:
    """`git_url` -> `--git-url`."""
    return "--" + field_name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Flag:
    """What a flag needs: the parameter it sets, its kind, and its help. Required: no default."""

    parameter: str
    kind: Kind
    description: str
    default: str | None
    other_names: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def shown_default(self) -> str:
        """The default as text, or the word `required`."""
        return "required" if self.default is None else self.default


def flags_of_flow(flow: Flow) -> list[Flag]:
    """A flag for each field of the flow's parameters, required ones first."""
    found = []
    for name, field in flow.parameters.model_fields.items():
        default = field.get_default(call_default_factory=True)
        choices = getattr(field.validation_alias, "choices", ())
        found.append(
            Flag(
                name,
                _kind(field),
                field.description or "",
                None if field.is_required() else shown_value(default),
                tuple(one for one in choices if isinstance(one, str) and one != name),
            )
        )
    return sorted(found, key=lambda flag: flag.default is not None)


def flags_of_values(values: type[Values]) -> list[Flag]:
    """The same for declared values, without pydantic."""
    found = [
        Flag(
            name,
            one.kind,
            one.description,
            None if one.required else shown_value(one.default),
            one.other_names,
            one.choices,
        )
        for name, one in values.declared().items()
    ]
    return sorted(found, key=lambda flag: flag.default is not None)


def add_parameter_flags(
    parser: argparse.ArgumentParser, flags: Iterable[Flag], *, refuse_missing: bool = False
) -> None:
    """Add these flags. With `refuse_missing` argparse refuses a missing one that is required.

    A flag that is not given has the value None.
    """
    for flag in flags:
        suffix = " (required)" if flag.default is None else f" (default: {flag.default})"
        if flag.default in {"none", "()"}:  # the description says what happens without it
            suffix = ""
        names = [flag_name(one) for one in (flag.parameter, *flag.other_names)]
        options: dict[str, Any] = {
            "dest": flag.parameter,
            "default": None,
            "help": f"{flag.description}{suffix}".replace("%", "%%"),
        }
        if refuse_missing and flag.default is None:
            options["required"] = True
        if flag.kind is Kind.SWITCH:
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, **options)
        else:
            action = "append" if flag.kind is Kind.LIST else "store"
            choices = ",".join(flag.choices)
            metavar = f"{{{choices}}}" if choices else flag.parameter.rsplit("_", 1)[-1].upper()
            parser.add_argument(*names, metavar=metavar, action=action, **options)


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags every run has, whatever the flow."""
    parser.add_argument(
        "--json", action="store_true", help="Print the outcome as a JSON object on the last line."
    )
    parser.add_argument(
        "--quiet", "-q", action="store_true", help="Print errors only, and with --json the object."
    )
    parser.add_argument(
        "--prefect",
        choices=("auto", "off", "ephemeral"),
        help="Show the run in Prefect: `auto` where PREFECT_API_URL is set, `off` never,"
        " `ephemeral` on a server that is started for this run.",
    )


def run_settings(found: argparse.Namespace) -> Settings:
    """The settings of a run: the environment's, with what the run's flags say on top.

    Raises:
        SettingsInvalid: one line for each variable that cannot be used.
    """
    return load(**({"prefect_mode": PrefectMode(found.prefect)} if found.prefect else {}))


def parse_with_problems(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """Parse `argv`, and list its problems: unknown flags, missing values, unexpected words.

    Raises:
        CommandLineInvalid: what argparse itself refuses, such as a value that is no choice; the
            problems found before are in the message.
    """
    clean, problems = _with_values(parser, argv)
    try:
        found, extra = parser.parse_known_args(clean)
    except CommandLineInvalid as error:
        error.what = "\n       ".join([*problems, error.what])
        raise
    return found, problems + [f"{redact(word)!r}: not expected here" for word in extra]


def parse_command_line(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse `argv`.

    Raises:
        CommandLineInvalid: with a line for each problem.
    """
    found, problems = parse_with_problems(parser, argv)
    refuse_problems(problems, parser.prog)
    return found


def refuse_problems(problems: Sequence[str], prog: str) -> None:
    """Do nothing where there are no problems.

    Raises:
        CommandLineInvalid: with a line for each.
    """
    if problems:
        raise CommandLineInvalid(
            "the command line is not right",
            why="\n".join(problems),
            fix=f"see `{prog} --help`",
        )


def given_values(found: argparse.Namespace, values: type[Values]) -> dict[str, Any]:
    """The flags of declared values that were given, by name; as texts, tuples and booleans."""
    given = {name: getattr(found, name) for name in values.declared()}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def read_values(given: Mapping[str, Any], values: type[V], prog: str) -> V:
    """The declared values that were given as flags, checked.

    Raises:
        CommandLineInvalid: with a line for each that cannot be used.
    """
    found, problems = values.read(given, _flag_of)
    refuse_problems(problems, prog)
    return values(**found)


def _flag_of(one: Declared[Any]) -> str:
    return flag_name(one.name)


def flow_values(flow: Flow, found: argparse.Namespace) -> dict[str, Any]:
    """The flow's parameters that were given, by field name; lists and objects from JSON."""
    values = {}
    for name, field in flow.parameters.model_fields.items():
        given = getattr(found, name)
        if given is not None:
            values[name] = _value(field, given)
    return values


def _kind(field: FieldInfo) -> Kind:
    """The kind of flag for a pydantic field; all but switches and lists are given as text."""
    if field.annotation is bool:
        return Kind.SWITCH
    return Kind.LIST if _is_list(field) else Kind.TEXT


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


def _with_values(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> tuple[list[str], list[str]]:
    """`argv` with flags written as `--kebab-case=value`, and a line for each wrong flag."""
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public list
    clean: list[str] = []
    problems: list[str] = []
    words = deque(argv)
    while words:
        word = words.popleft()
        if not word.startswith("--") or word == "--":
            clean.append(word)
            continue
        name, equals, text = word.partition("=")
        name = name.replace("_", "-")
        value = text if equals else None
        action = known.get(name)
        if action is None:
            problems.append(_unknown(name, known))
            if value is None:
                _next_value(words, "-")
        elif action.nargs == 0:
            _add_switch(name, value, action, clean, problems)
        else:
            _add_value(name, _next_value(words, "--") if value is None else value, clean, problems)
    return clean, problems


def _unknown(name: str, known: Iterable[str]) -> str:
    close = nearest(name, [flag for flag in known if flag.startswith("--")])
    return f"{name}: unknown" + (f", did you mean {close}?" if close else "")


def _next_value(words: deque[str], mark: str) -> str | None:
    """Take the next word, unless it begins with `mark`, as flags do."""
    return words.popleft() if words and not words[0].startswith(mark) else None


def _add_value(name: str, value: str | None, clean: list[str], problems: list[str]) -> None:
    if value is None:
        problems.append(f"{name}: needs a value")
    else:
        clean.append(f"{name}={value}")


def _add_switch(
    name: str, value: str | None, action: argparse.Action, clean: list[str], problems: list[str]
) -> None:
    """`--draft`, or as messages write it `--draft=true`; false is `--no-draft` or nothing."""
    if value is None:
        clean.append(name)
    elif value.lower() not in _YES | _NO:
        problems.append(f"{name}: is yes or no, not {value!r}")
    elif isinstance(action, argparse.BooleanOptionalAction):
        positive = name.removeprefix("--no-").removeprefix("--")
        wanted = (value.lower() in _YES) is not name.startswith("--no-")
        clean.append(f"--{positive}" if wanted else f"--no-{positive}")
    elif value.lower() in _YES:
        clean.append(name)
