"""The `workflows` command: picks the command, prints errors, chooses exit codes.

Nothing heavy is imported here; each command imports what it needs. `python -m workflows` with
`WORKFLOW_NAME` set and no command runs that flow, which is how a Cloud Run Job calls it.
"""

from __future__ import annotations

import json
import os
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from workflows.cli import catalog, commands, flags
from workflows.core import environment
from workflows.core.errors import (
    EXIT_DEFECT,
    EXIT_OK,
    CommandLineInvalid,
    InputError,
    Terminated,
    WorkflowsError,
)
from workflows.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Carry out one command line and return the exit code. Raises nothing."""
    words = list(argv)
    named = environment.variable("WORKFLOW_NAME")
    if named and (not words or words[0].startswith("-")) and words != ["--version"]:
        words = ["run", named, *words]
    as_json = "--json" in words
    try:
        return _flushed(_dispatch(words))
    except SystemExit as end:  # argparse has printed help or the version
        return int(end.code or 0)
    except WorkflowsError as error:
        _print_error(error, as_json=as_json)
        return error.exit_code
    except Terminated as error:
        print(f"workflows: {error}", file=sys.stderr)  # noqa: T201 - cli is where printing is
        return error.exit_code
    except BrokenPipeError:
        # Nobody reads any more (`| head`). What is left to write must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception:  # noqa: BLE001 - a defect of ours: say so once, with everything known
        import traceback  # noqa: PLC0415 - only for defects

        report = redact(traceback.format_exc())
        print(f"{report}workflows: this is a defect, please report it", file=sys.stderr)  # noqa: T201
        return EXIT_DEFECT


def _flushed(exit_code: int) -> int:
    """Write out what is buffered while errors can still be told."""
    sys.stdout.flush()
    return exit_code


def _dispatch(words: list[str]) -> int:
    """Find the command, one word or two (`local git`), and hand it the rest."""
    if not words:
        commands.top_parser().print_help(sys.stderr)
        return InputError.exit_code
    if words[0] == "run":
        return _run_flow(words[1:])
    two = words[0] in commands.GROUPS and words[1:2] and not words[1].startswith("-")
    name = " ".join(words[: 2 if two else 1])
    command = commands.COMMANDS.get(name)
    if command is None:
        if words[0].startswith("-") or name in commands.GROUPS:
            flags.parse(commands.top_parser(), words)  # --help, --version, or an error
        close = get_close_matches(name, [*commands.COMMANDS, "run", *catalog.FLOWS], n=1)
        raise CommandLineInvalid(
            f"there is no command {name!r}",
            fix=f"did you mean `workflows {_spelt(close[0])}`?"
            if close
            else "see workflows --help",
        )
    one = flags.Parser(prog=f"workflows {name}", description=command.summary)
    command.configure(one)
    return command.carry_out(flags.parse(one, words[len(name.split()) :]))


def _run_flow(words: list[str]) -> int:
    """`run NAME …`: only now are the flow's parameters, and with them pydantic, imported."""
    if not words or words[0].startswith("-"):
        commands.top_parser().parse_args(["run", *(words or ["--help"])])
        raise CommandLineInvalid("which workflow?", fix="see `workflows list`")
    flow = catalog.find(words[0])
    one = flags.Parser(prog=f"workflows run {flow.name}", description=flow.summary)
    flags.add_flow_flags(one, flow)
    flags.add_run_flags(one)
    from workflows.cli import run as run_command  # noqa: PLC0415 - pydantic comes with it

    found, problems = flags.sift(one, words[1:])
    return run_command.run_flow(flow, found, problems)


def _spelt(name: str) -> str:
    return f"run {name}" if name in catalog.FLOWS else name


def _print_error(error: WorkflowsError, *, as_json: bool) -> None:
    """On stderr for people; with `--json` also as the last line of stdout."""
    print(redact(f"error: {error}"), file=sys.stderr)  # noqa: T201
    if as_json:
        facts = {"state": "refused", "exit_code": error.exit_code, "error": error.as_dict()}
        print(redact(json.dumps(facts, ensure_ascii=False)), flush=True)  # noqa: T201
