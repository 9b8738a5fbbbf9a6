"""Every error Workflows raises on purpose, and the exit code each one ends a process with.

```text
WorkflowsError                       1   something went wrong; each error says what, why and fix
├── InputError                       2   the caller must change something; nothing was done
│   ├── CommandLineInvalid           2   a flag or command that does not exist, or lacks its value
│   ├── WorkflowUnknown              2   no flow has this name
│   ├── ParametersInvalid            2   parameters missing, unknown or wrong; all of them named
│   ├── SettingsInvalid              2   environment variables with values that cannot be used
│   ├── UrlRefused                   2   an unsafe URL of a repository or object, or none at all
│   ├── DagInvalid                   2   a DAG file with mistakes; every finding has its line
│   ├── BranchNameInvalid            2   a branch name that git or GitLab refuses
│   └── BranchRefused                2   a branch this flow must not write to
├── PermanentError                   1   trying again changes nothing
│   ├── ProgramMissing               1   an executable is not installed
│   ├── ProcessFailed                1   a child process ended with an exit code other than 0
│   ├── RequestRefused               1   an HTTP answer of 4xx (or a redirect) that is final
│   │   └── RequestConflict          1   409, 412: it exists already, or was changed meanwhile
│   ├── AuthenticationFailed         1   the remote does not accept the token, or wants one
│   ├── AccessDenied                 1   the remote knows the token; its role does not allow this
│   ├── RepositoryNotFound           1   no such repository, or none this token may see
│   ├── BranchNotFound               1   the remote has no branch of this name
│   ├── RunnerUnusable               1   the server at this address is no Task Runner
│   ├── StepsFailed                  1   steps of a workflow failed; `why` names them
│   ├── RunConflict                  1   the run's journal is another process's, or another DAG's
│   ├── ResourceNotFound             1   no such project, issue, object, …, or it is hidden from us
│   ├── NothingToCommit              1   the working tree has no change
│   ├── PathRefused                  1   a file that cannot be written inside the clone
│   ├── ActorRefused                 1   the actor may not start work in this project
│   ├── AgentFailed                  1   the coding agent could not be run, or failed
│   ├── NoChange                     1   the agent succeeded and changed nothing
│   ├── ChangeRefused                1   the agent changed what the policy protects
│   ├── ChecksFailed                 1   the project's own check command fails on the change
│   ├── ClaimLost                    1   another run works on the issue now; this one has stopped
│   └── PushRejected                 1   the remote refused the push
│       ├── PushNotFastForward       1   the remote branch has commits this clone lacks
│       ├── PushProtectedBranch      1   the branch is protected
│       └── PushHookDeclined         1   a server-side rule or hook refused it, see `why`
└── TransientError                  75   the same command may work later (EX_TEMPFAIL)
    ├── NetworkError                75   the remote could not be reached, or the connection broke
    │   └── AnswerLost              75   it broke before the answer; it may have been done
    ├── RemoteUnavailable           75   the remote answered 429 or 5xx
    ├── TimeoutExceeded             75   no answer in the time allowed
    └── IssueBusy                   75   another run works on the issue, for an earlier request
Terminated                 143 or 130   SIGTERM or SIGINT arrived; not an Exception on purpose
```

Whether a retry can help is the class, never the text: `error.retryable`.
An exception outside this tree is a defect of Workflows and exits with 70 (EX_SOFTWARE).
"""

from __future__ import annotations

import signal
from typing import Any, ClassVar

EXIT_OK = 0
EXIT_DEFECT = 70
EXIT_TERMINATED = 143


class WorkflowsError(Exception):
    """Root of the tree: `what` went wrong, `why` (the cause, or what the remote said), the `fix`.

    All three texts are shown as they are. Text from outside must pass through
    `core.redaction.redact` before it becomes part of an error.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        """Two or three lines: what, then `why:` and `fix:` where there is something to say."""
        lines = [self.what]
        for label, text in (("why", self.why), ("fix", self.fix)):
            if text:
                lines.append(f"  {label}: " + text.strip().replace("\n", "\n       "))
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep `why`, `fix` and all else when the error crosses a process border (pickle)."""
        return (_rebuild, (type(self), self.what, self.why, self.fix), self.__dict__)

    def as_dict(self) -> dict[str, str | bool]:
        """The error as one flat JSON object: type, what, why, fix, retryable."""
        return {
            "type": type(self).__name__,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "retryable": self.retryable,
        }


def _rebuild(kind: type[WorkflowsError], what: str, why: str, fix: str) -> WorkflowsError:
    return kind(what, why=why, fix=fix)


class InputError(WorkflowsError):
    """The caller must change something; nothing was done yet."""

    exit_code = 2


class CommandLineInvalid(InputError):
    """A flag or command that does not exist, or a flag without its value."""


class WorkflowUnknown(InputError):
    """No flow has this name."""


class ParametersInvalid(InputError):
    """Parameters that are missing, unknown or wrong; the message names every one."""


class SettingsInvalid(InputError):
    """Environment variables whose values cannot be used, a line each."""


class UrlRefused(InputError):
    """A URL that is unsafe (`ext::`, leading `-`) or not understood: a repository's, `gs://…`."""


class DagInvalid(InputError):
    """A DAG file that cannot be run. `findings` has every mistake, in the order of the file.

    Each is a `workflows.dag.file.findings.Finding`; there is none if the file cannot be read.
    """

    findings: tuple[Any, ...] = ()


class BranchNameInvalid(InputError):
    """A branch name that git or GitLab refuses."""


class BranchRefused(InputError):
    """A branch that exists for people, such as the default branch: flows do not write to it."""


class PermanentError(WorkflowsError):
    """Trying the same again changes nothing."""


class ProgramMissing(PermanentError):
    """An executable that is not on PATH."""


class ProcessFailed(PermanentError):
    """A child process ended with an exit code other than 0."""


class RequestRefused(PermanentError):
    """An HTTP answer that is final: 4xx other than 408 and 429, or a redirect we do not follow.

    `status` is its number, where it came through `core.http`.
    """

    status: int | None = None


class RequestConflict(RequestRefused):
    """HTTP 409 or 412: it exists already, or it was changed by someone else since we read it."""


class AuthenticationFailed(PermanentError):
    """The remote does not accept the token, or none was given and it wants one (HTTP 401)."""


class AccessDenied(PermanentError):
    """The remote knows who we are, and this role may not do that (HTTP 403)."""


class RepositoryNotFound(PermanentError):
    """No such repository, or none that this token may see (GitLab answers 404 to both)."""


class BranchNotFound(PermanentError):
    """The remote has no branch of this name."""


class RunnerUnusable(PermanentError):
    """The server is no Task Runner: 404 to `POST /job`, a redirect, another service."""


class StepsFailed(PermanentError):
    """Steps of a workflow failed; `why` names them and says what the runner said."""


class RunConflict(PermanentError):
    """A run id that is running in another process, or belongs to another DAG file."""


class ResourceNotFound(PermanentError):
    """No such project, issue, branch, object, …, or none that this token may see (404)."""


class NothingToCommit(PermanentError):
    """The working tree has no change against its commit."""


class PathRefused(PermanentError):
    """A file that cannot be written inside the clone, such as one behind a symbolic link."""


class ActorRefused(PermanentError):
    """The actor is not an active member of the project with the role Developer or above."""


class AgentFailed(PermanentError):
    """The coding agent could not be run, ran out of time, or failed without a change."""


class NoChange(PermanentError):
    """The agent succeeded, and the tree is what it was."""


class ChangeRefused(PermanentError):
    """The agent changed something the policy protects; `why` names each path and its rule."""


class ChecksFailed(PermanentError):
    """The project's check command still fails after the last attempt; its end is in `why`."""


class ClaimLost(PermanentError):
    """Another run has taken over the issue, so this one must not write any more."""


class PushRejected(PermanentError):
    """The remote refused the push."""


class PushNotFastForward(PushRejected):
    """The remote branch has commits that this clone lacks, or moved since we looked (lease)."""


class PushProtectedBranch(PushRejected):
    """The branch is protected for this role."""


class PushHookDeclined(PushRejected):
    """A server-side hook or push rule refused the push; `why` has its message."""


class TransientError(WorkflowsError):
    """The same command may work later."""

    exit_code = 75
    retryable = True


class NetworkError(TransientError):
    """The remote could not be reached, or the connection broke."""


class AnswerLost(NetworkError):
    """The request was sent, and no answer came: what was asked may or may not have happened.

    `stale`: it was sent on a kept connection that the server had most likely closed before.
    """

    stale: bool = False


class RemoteUnavailable(TransientError):
    """The remote answered 429 or 5xx; `wait_s` is its Retry-After in seconds, if it named one."""

    wait_s: float | None = None


class TimeoutExceeded(TransientError):
    """No answer in the time allowed; what was asked may or may not have happened."""


class IssueBusy(TransientError):
    """Another run works on the issue for an earlier request; this one must be delivered again."""


class Terminated(BaseException):
    """SIGTERM or SIGINT arrived. A BaseException, so that no `except Exception` swallows it."""

    def __init__(self, signal_number: int = signal.SIGTERM) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the signal when this crosses a process border (pickle)."""
        return (type(self), (self.exit_code - 128,))
