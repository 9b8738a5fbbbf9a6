"""PlusCoder's command line. Flags win over settings files, so what must hold is a flag.

Seen in 0.1.4rc0: a flag it does not know is ignored in silence, `null` unsets a setting.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workflows.core.errors import ParametersInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Nothing here may be changed by anyone: what runs commands, commits, asks questions, loads
# agents and prompts from settings, or works on another folder.
SAFE = (
    "--dev",  # no licence server
    "--no-init",  # no questions, no settings file written
    "--no-version",
    "--no-show_repo",
    "--no-show_repomap",
    "--no-show_config",
    "--no-debug",
    "--no-read_only",
    "--no-silent",
    "--auto_confirm=true",
    "--auto_commits=false",
    "--allow_dirty_commits=false",
    "--run_tests_after_edit=false",
    "--run_lint_after_edit=false",
    "--auto_run_linter_fix=false",
    "--test_command=null",
    "--lint_command=null",
    "--lint_fix_command=null",
    "--repository=null",
    "--source_branch=null",
    "--task_list=null",
    "--embedding_model=null",
)
# Set in the settings file or by nobody. A flag cannot empty the two lists among them.
TAKEN = (
    "--help",
    "--initialized",
    "--user_input",
    "--repo_exclude_files",
    "--log_filename",
    "--custom_agents",
    "--custom_prompt_commands",
)
_FLAG = re.compile(r"(--[A-Za-z][\w-]*)(=.*)?", re.DOTALL)
_IN_HELP = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")


def command_line(agent: str, provider: str, model: str, extra: Iterable[str]) -> list[str]:
    """The arguments after the program, without the prompt, which may be too long for one."""
    chosen = [f"--default_agent={agent}", f"--provider={provider}", f"--model={model}"]
    return [*extra, *SAFE, *chosen]


def flag_names(arguments: Iterable[str]) -> list[str]:
    """The flags among arguments, without their values."""
    return [match[1] for one in arguments if (match := _FLAG.fullmatch(one))]


def flags_in_help(text: str) -> frozenset[str]:
    """The flags that a `--help` text names."""
    return frozenset(_IN_HELP.findall(text))


def check_extra_flags(extra: Sequence[str]) -> None:
    """Refuse the operator's flags that would undo ours, in either form (`--x`, `--no-x`).

    Raises:
        ParametersInvalid: it is no flag (`--name` or `--name=value`), or one that is set here.
    """
    ours = command_line("", "", "", ())
    taken = {_bare(name) for name in (*flag_names(ours), *TAKEN)}
    for one in extra:
        match = _FLAG.fullmatch(one)
        if not match:
            raise ParametersInvalid(
                f"{one!r} is no flag for PlusCoder", fix="write each as --name or --name=value"
            )
        if _bare(match[1]) in taken:
            raise ParametersInvalid(
                f"the flag {match[1]} of PlusCoder cannot be chosen",
                why="this run depends on it: Workflows sets it itself",
                fix="leave the flag out",
            )


def check_known_flags(extra: Sequence[str], help_text: str) -> None:
    """Refuse flags this PlusCoder does not have: it would ignore them in silence.

    Raises:
        ParametersInvalid: the first flag that `--help` does not name.
    """
    known = flags_in_help(help_text)
    for name in flag_names(extra):
        if name not in known:
            raise ParametersInvalid(
                f"this PlusCoder has no flag {name}",
                why="its --help does not name it",
                fix="see pluscoder --help",
            )


def _bare(name: str) -> str:
    return name.removeprefix("--").removeprefix("no-").lower().replace("-", "_")
