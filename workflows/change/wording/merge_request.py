"""The texts of a merge request: title, description and evidence. Pure.

Text of other people, agents and programs goes through `safe_text.one_line` or `inline_code`, so
that it mentions nobody and holds no quick action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.change.wording.safe_text import inline_code, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.change.change import Change

_SHOWN_FILES = 30
_BEGIN = "<!-- workflows:report -->"
_END = "<!-- /workflows:report -->"
_FOOT = (
    "Made by Workflows with a coding agent. Review it as you would review a newcomer's work. The"
    " description above comes from the files and the checks, not from the model."
)


def merge_request_title(title: str) -> str:
    """`Resolve "The total is 0"`, as GitLab's own button does; at most 255 characters."""
    return f'Resolve "{one_line(title, 200)}"'


def merge_request_report(change: Change | None, evidence: Mapping[str, object] | None) -> str:
    """The part of the description that is ours to bring up to date: summary and evidence.

    `change` is None where an earlier run made the commit; `evidence` is then what it left.
    """
    parts = [change_summary(change)] if change else []
    return "\n\n".join([_BEGIN, *parts, evidence_block(evidence), _END])


def merge_request_description(report_text: str, iid: int, *, closes: bool) -> str:
    """The description of a new merge request: report, and the line that closes the issue."""
    return "\n\n".join([report_text, f"Closes #{iid}" if closes else f"For #{iid}", _FOOT])


def replace_report(there: str, report_text: str) -> str:
    """`there` with our part replaced; as it is where people have taken our part out."""
    before, begin, rest = there.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{report_text}{after}" if begin and end else there


def evidence_passed(evidence: Mapping[str, object] | None) -> bool | None:
    """Whether the checks passed; None where there were none."""
    if evidence is None:
        return None
    return evidence.get("exit_code") == 0 and not evidence.get("timed_out")


def change_summary(change: Change) -> str:
    """What the commit changes, by whom, and what was left out."""
    stat = change.stat
    files = "1 file" if stat.files == 1 else f"{stat.files} files"
    attempts = "1 attempt" if change.attempts == 1 else f"{change.attempts} attempts"
    work = f"{files} (+{stat.added} -{stat.deleted}) in {attempts}{_spent(change)}"
    lines = [
        f"{change.agent} changed {work}:",
        "",
        *_listed(change.paths),
    ]
    if change.left_out:
        lines += ["", "Not committed:", "", *_listed(change.left_out)]
    return "\n".join(lines)


def evidence_block(evidence: Mapping[str, object] | None) -> str:
    """The evidence for people: command, exit code, seconds, commit id."""
    if evidence is None:
        return "**Not checked**: no check command is set."
    word = "Checks passed" if evidence_passed(evidence) else "Checks **failed**"
    late = " (out of time)" if evidence.get("timed_out") else ""
    return "\n".join(
        [
            f"{word} on a clean checkout, before the push:",
            "",
            f"- command: {inline_code(str(evidence.get('command', '')))}",
            f"- exit code: {evidence.get('exit_code')}{late}",
            f"- time: {evidence.get('seconds')} s",
            f"- commit: {inline_code(str(evidence.get('commit_id', '')))}",
        ]
    )


def _spent(change: Change) -> str:
    """`, 1200 tokens in and 300 out, 0.02 USD`, as far as the agent says."""
    tokens_in = [r.tokens_in for r in change.reports if r.tokens_in is not None]
    tokens_out = [r.tokens_out for r in change.reports if r.tokens_out is not None]
    costs = [r.cost_usd for r in change.reports if r.cost_usd is not None]
    said = ""
    if tokens_in or tokens_out:
        said += f", {sum(tokens_in)} tokens in and {sum(tokens_out)} out"
    return said + (f", {sum(costs):.4f} USD" if costs else "")


def _listed(names: Sequence[str]) -> list[str]:
    lines = [f"- {inline_code(name)}" for name in names[:_SHOWN_FILES]]
    more = len(names) - _SHOWN_FILES
    return lines + ([f"- and {more} more"] if more > 0 else [])
