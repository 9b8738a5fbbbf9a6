"""What Workflows writes on GitLab: status notes and merge requests. Pure.

Our words, file names and numbers only; text of other people, agents and programs goes through
`text.one_line`, `code` or `fenced`, so that it mentions nobody and commands nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.change.words.text import code, fenced, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflows.change.attempts.rounds import Made
    from workflows.change.claim.marker import Marker
    from workflows.core.errors import WorkflowsError

_SHOWN_FILES = 30


def working(marker: Marker, run_url: str | None, branch_url: str | None) -> str:
    """The note while a run works."""
    run = f"[run {marker.run}]({run_url})" if run_url else f"run {code(marker.run)}"
    branch = f"[{code(marker.branch)}]({branch_url})" if branch_url else code(marker.branch)
    return f":hourglass: **Workflows** is working on this issue ({run}), in the branch {branch}."


def done(reference: str, web_url: str, facts: str) -> str:
    """The note when the merge request is there; `facts` are the evidence lines."""
    return f":white_check_mark: **Workflows** has made {reference}: {web_url}\n\n{facts}"


def failed(error: WorkflowsError, run: str, run_url: str | None) -> str:
    """The note when a run failed: what, why, what to do, and how to ask again."""
    parts = [f":x: **Workflows** could not resolve this issue: {one_line(error.what, 300)}."]
    if error.why.strip():
        parts.append(fenced(error.why))
    if error.fix:
        parts.append(f"What to do: {one_line(error.fix, 300)}.")
    parts.append(_how_to_ask(run, run_url))
    return "\n\n".join(parts)


def interrupted(run: str, run_url: str | None, reason: str) -> str:
    """The note when a run stopped in a way that may pass."""
    why = one_line(reason, 300)
    return (
        f":pause_button: **Workflows** was interrupted: {why}. It goes on when the run is"
        f" started again.\n\n{_run(run, run_url)}"
    )


def closed(reference: str) -> str:
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


def report(made: Made | None, evidence: Mapping[str, object] | None) -> str:
    """The part of the description that is ours to bring up to date: summary and evidence.

    `made` is None where an earlier run made the commit; `evidence` is then what it left.
    """
    parts = [summary(made)] if made else []
    return "\n\n".join([_BEGIN, *parts, evidence_block(evidence), _END])


def description(report_text: str, iid: int, *, closes: bool) -> str:
    """The description of a new merge request: report, and the line that closes the issue."""
    return "\n\n".join([report_text, f"Closes #{iid}" if closes else f"For #{iid}", _FOOT])


def with_report(there: str, report_text: str) -> str:
    """`there` with our part replaced; as it is where people have taken our part out."""
    before, begin, rest = there.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{report_text}{after}" if begin and end else there


def passed(evidence: Mapping[str, object] | None) -> bool | None:
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


def summary(made: Made) -> str:
    """What the commit changes, by whom, and what was left out."""
    stat = made.stat
    files = "1 file" if stat.files == 1 else f"{stat.files} files"
    attempts = "1 attempt" if made.attempts == 1 else f"{made.attempts} attempts"
    work = f"{files} (+{stat.added} -{stat.deleted}) in {attempts}{_spent(made)}"
    lines = [
        f"{made.agent} changed {work}:",
        "",
        *_listed(made.paths),
    ]
    if made.left_out:
        lines += ["", "Not committed:", "", *_listed(made.left_out)]
    return "\n".join(lines)


def evidence_of(made: Made) -> dict[str, object] | None:
    """The evidence as plain values, for the marker and the result."""
    if made.evidence is None:
        return None
    one = made.evidence
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
    word = "Checks passed" if passed(evidence) else "Checks **failed**"
    late = " (out of time)" if evidence.get("timed_out") else ""
    return "\n".join(
        [
            f"{word} on a clean checkout, before the push:",
            "",
            f"- command: {code(str(evidence.get('command', '')))}",
            f"- exit code: {evidence.get('exit_code')}{late}",
            f"- time: {evidence.get('seconds')} s",
            f"- commit: {code(str(evidence.get('commit_id', '')))}",
        ]
    )


def _spent(made: Made) -> str:
    """`, 1200 tokens in and 300 out, 0.02 USD`, as far as the agent told."""
    tokens_in = [r.tokens_in for r in made.reports if r.tokens_in is not None]
    tokens_out = [r.tokens_out for r in made.reports if r.tokens_out is not None]
    costs = [r.cost_usd for r in made.reports if r.cost_usd is not None]
    said = ""
    if tokens_in or tokens_out:
        said += f", {sum(tokens_in)} tokens in and {sum(tokens_out)} out"
    return said + (f", {sum(costs):.4f} USD" if costs else "")


def _listed(names: Sequence[str]) -> list[str]:
    lines = [f"- {code(name)}" for name in names[:_SHOWN_FILES]]
    more = len(names) - _SHOWN_FILES
    return lines + ([f"- and {more} more"] if more > 0 else [])


def _run(run: str, run_url: str | None) -> str:
    return f"[Run {run}]({run_url})" if run_url else f"Run {code(run)}"


def _how_to_ask(run: str, run_url: str | None) -> str:
    return f"{_run(run, run_url)}. To try again, say more in a comment and ask again."
