"""The `workflows` command: picks the command, prints errors, chooses exit codes.

Nothing heavy is imported here; each command imports what it needs. `python -m workflows` with
`WORKFLOW_NAME` set and no command runs that flow, which is how a Cloud Run Job calls it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from workflows.cli import catalog, commands, flags, output
from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.settings import Settings
from workflows.core.errors import (
    EXIT_DEFECT,
    CommandLineInvalid,
    InputError,
    Terminated,
    WorkflowsError,
)
from workflows.core.nearest import nearest
from workflows.core.process import signals

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWITCHES = ("--json", "--quiet", "-q")


def run_command_line(argv: Sequence[str]) -> int:
    """Carry out one command line and return the exit code.

    SIGTERM and SIGINT end it with 143 and 130, whatever it is doing.
    """
    output.prepare_streams()
    # else pydantic takes 60 ms to look for plugins in the metadata of all installed packages
    environment.set_default("PYDANTIC_DISABLE_PLUGINS", "__all__")
    words = list(argv)
    named = environment.variable(Settings.workflow_name.variable)
    if named and (not words or words[0].startswith("-")) and words != ["--version"]:
        words = ["run", named, *words]
    try:
        with signals.terminable():
            return _guarded(words)
    except Terminated as stop:
        process.kill_all()
        output.say_error(f"workflows: {stop}")
        _json_end(words, "terminated", stop.exit_code)
        return stop.exit_code
    finally:
        output.flush_streams()


def _guarded(words: list[str]) -> int:
    """Carry out a command line; every error but a signal is printed and gives an exit code."""
    try:
        return _dispatch(words)
    except SystemExit as end:  # argparse has printed help or the version
        return int(end.code or 0)
    except WorkflowsError as error:
        output.say_error(f"error: {error}")
        _json_end(words, "refused", error.exit_code, error=error.as_dict())
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a defect: printed with its traceback
        import traceback

        report = traceback.format_exc()
        output.say_error(f"{report}workflows: this is a defect, please report it")
        facts = {"type": type(error).__name__, "what": str(error), "retryable": False}
        _json_end(words, "failed", EXIT_DEFECT, error=facts)
        return EXIT_DEFECT


def _json_end(words: list[str], state: str, exit_code: int, **more: Any) -> None:
    """The last line of stdout for an end before there is an outcome."""
    if output.wants_json(words):
        output.say_json({"state": state, "exit_code": exit_code, **more})


def _dispatch(words: list[str]) -> int:
    """Find the command, one word or two (`local git`), and hand it the rest."""
    if not words:
        output.say_error(commands.top_parser().format_help())
        return InputError.exit_code
    if words[0] == "run":
        return _run_flow(words[1:])
    two = words[0] in commands.GROUPS and words[1:2] and not words[1].startswith("-")
    name = " ".join(words[: 2 if two else 1])
    command = commands.COMMANDS.get(name)
    if command is None:
        if words[0].startswith("-") or name in commands.GROUPS:
            flags.parse_command_line(commands.top_parser(), words)  # --help, --version, or an error
        close = nearest(name, [*commands.COMMANDS, "run", *catalog.FLOWS])
        raise CommandLineInvalid(
            f"there is no command {name!r}",
            fix=f"did you mean `workflows {_spelt(close)}`?" if close else "see workflows --help",
        )
    one = flags.Parser(prog=f"workflows {name}", description=command.summary)
    command.configure(one)
    return command.carry_out(flags.parse_command_line(one, words[len(name.split()) :]))


def _run_flow(words: list[str]) -> int:
    """`run NAME …`: only now are the flow's parameters, and with them pydantic, imported."""
    switches = list(itertools.takewhile(_SWITCHES.__contains__, words))
    name, *rest = words[len(switches) :] or ["--help"]
    if name.startswith("-"):
        commands.top_parser().parse_args(["run", name])
        raise CommandLineInvalid("which workflow?", fix="see `workflows list`")
    from workflows.cli import run as run_command

    flow = catalog.find(name)
    one = flags.Parser(prog=f"workflows run {flow.name}", description=flow.summary)
    flags.add_parameter_flags(one, flags.flags_of_flow(flow))
    flags.add_run_flags(one)
    found, problems = flags.parse_with_problems(one, [*switches, *rest])
    given = flags.flow_values(flow, found)
    return run_command.run_flow(flow, given, flags.run_settings(found), found, problems)


def _spelt(name: str) -> str:
    return f"run {name}" if name in catalog.FLOWS else name
