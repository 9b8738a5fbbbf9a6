"""What Workflows writes on GitLab: status notes and merge requests. Pure.

Text of other people, agents and programs goes through `safe_text.one_line`, `inline_code` or
`code_block`, so that it mentions nobody and holds no quick action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.change.wording.safe_text import code_block, inline_code, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.change.attempts.rounds import Change
    from workflows.change.claim.marker import Marker
    from workflows.core.errors import WorkflowsError

_SHOWN_FILES = 30


def working_note(marker: Marker, run_url: str | None, branch_url: str | None) -> str:
    """The note while a run works."""
    run = f"[run {marker.run}]({run_url})" if run_url else f"run {inline_code(marker.run)}"
    branch = (
        f"[{inline_code(marker.branch)}]({branch_url})"
        if branch_url
        else inline_code(marker.branch)
    )
    return f":hourglass: **Workflows** is working on this issue ({run}), in the branch {branch}."


def done_note(reference: str, web_url: str, facts: str) -> str:
    """The note when the merge request is there; `facts` are the evidence lines."""
    return f":white_check_mark: **Workflows** has made {reference}: {web_url}\n\n{facts}"


def failed_note(error: WorkflowsError, run: str, run_url: str | None) -> str:
    """The note when a run failed: what, why, what to do, and how to ask again."""
    parts = [f":x: **Workflows** could not resolve this issue: {one_line(error.what, 300)}."]
    if error.why.strip():
        parts.append(code_block(error.why))
    if error.fix:
        parts.append(f"What to do: {one_line(error.fix, 300)}.")
    parts.append(_how_to_ask(run, run_url))
    return "\n\n".join(parts)


def interrupted_note(run: str, run_url: str | None, reason: str) -> str:
    """The note when a run stopped in a way that may pass."""
    why = one_line(reason, 300)
    return (
        f":pause_button: **Workflows** was interrupted: {why}. It goes on when the run is"
        f" started again.\n\n{_run(run, run_url)}"
    )


def closed_note(reference: str) -> str:
    """The note when a person has closed the merge request."""
    return (
        f":no_entry_sign: **Workflows** stops here: a person closed {reference}. To let it go on,"
        " reopen that merge request and ask again."
    )


def commit_details(issue_url: str) -> str:
    """The body of the commit message for an issue."""
    return f"Issue: {issue_url}"


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


_BEGIN = "<!-- workflows:report -->"
_END = "<!-- /workflows:report -->"
_FOOT = (
    "Made by Workflows with a coding agent. Read it as you would read a newcomer's work: the"
    " description above is written by code from the tree and the checks, not by the model."
)


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


def evidence_facts(change: Change) -> dict[str, object] | None:
    """The evidence as plain values, for the marker and the result."""
    if change.evidence is None:
        return None
    one = change.evidence
    return {
        "command": one.command,
        "exit_code": one.exit_code,
        "seconds": round(one.seconds, 1),
        "commit_id": one.commit_id,
        "timed_out": one.timed_out,
        "sandbox": one.sandbox,
    }


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
    """`, 1200 tokens in and 300 out, 0.02 USD`, as far as the agent told."""
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


def _run(run: str, run_url: str | None) -> str:
    return f"[Run {run}]({run_url})" if run_url else f"Run {inline_code(run)}"


def _how_to_ask(run: str, run_url: str | None) -> str:
    return f"{_run(run, run_url)}. To try again, say more in a comment and ask again."
