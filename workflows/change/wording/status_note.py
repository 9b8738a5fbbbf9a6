"""The texts of our one note on an issue, which says how far a run is. Pure.

Text of other people, agents and programs goes through `safe_text.one_line`, `inline_code` or
`code_block`, so that it mentions nobody and holds no quick action.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflows.change.wording.safe_text import code_block, inline_code, one_line
from workflows.core.errors import PermanentError, WorkflowsError
from workflows.core.redaction import redact


@dataclass(frozen=True, slots=True)
class StatusNote:
    """What the note says in one run. `run_url` is the run's page, if it has one."""

    project_url: str
    run_id: str
    run_url: str | None

    def working(self, branch: str) -> str:
        """While the run works."""
        link = f"[{inline_code(branch)}]({self.project_url}/-/tree/{branch})"
        return (
            f":hourglass: **Workflows** is working on this issue ({self._run('run')}),"
            f" in the branch {link}."
        )

    def failed(self, failure: BaseException) -> str:
        """When the run failed for good: what, why, what to do, and how to ask again."""
        error = _described(failure)
        parts = [f":x: **Workflows** could not resolve this issue: {one_line(error.what, 300)}."]
        if error.why.strip():
            parts.append(code_block(error.why))
        if error.fix:
            parts.append(f"What to do: {one_line(error.fix, 300)}.")
        parts.append(f"{self._run('Run')}. To try again, say more in a comment and ask again.")
        return "\n\n".join(parts)

    def interrupted(self, reason: str) -> str:
        """When the run was stopped, or failed in a way that may pass."""
        return (
            f":pause_button: **Workflows** was interrupted: {one_line(reason, 300)}. It goes on"
            f" when the run is started again.\n\n{self._run('Run')}"
        )

    def _run(self, word: str) -> str:
        if self.run_url:
            return f"[{word} {self.run_id}]({self.run_url})"
        return f"{word} {inline_code(self.run_id)}"


def done_note(reference: str, web_url: str, evidence: str) -> str:
    """The note when the merge request is there; `evidence` is the block about the check."""
    return f":white_check_mark: **Workflows** has made {reference}: {web_url}\n\n{evidence}"


def closed_note(reference: str) -> str:
    """The note when a person has closed the merge request."""
    return (
        f":no_entry_sign: **Workflows** stops here: a person closed {reference}. To let it go on,"
        " reopen that merge request and ask again."
    )


def _described(error: BaseException) -> WorkflowsError:
    """`error` without secrets; of a defect of ours only its type, since its text may hold any."""
    if isinstance(error, WorkflowsError):
        return type(error)(redact(error.what), why=redact(error.why), fix=redact(error.fix))
    return PermanentError(
        f"a defect in Workflows ({type(error).__name__})", fix="see the run's log"
    )
