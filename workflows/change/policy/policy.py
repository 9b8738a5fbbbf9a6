"""Which changes of an agent are committed, left out or refused: RULES is the table of decisions.

Pure. Looks at what git says of the two trees (`change.trees.trees`), never at what the agent says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from workflows.change.trees import paths
from workflows.change.trees.file_change import EXECUTABLE, FILE, SUBMODULE, SYMLINK
from workflows.core.errors import ChangeRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workflows.change.trees.file_change import FileChange

_NAMED = 20
_FIX_PROTECTED = (
    "let a person make this change, or name the path in WORKFLOWS_ALLOW_PROTECTED_PATHS"
)
_FIX = "say in the request that these are not to be touched, and run it again"

_AGENT_NAMES = {".pluscoder", "pluscoder.log"}
_AGENT_NAMES_IF_NEW = {".pluscoder-config.yml"}
_AGENT_PREFIX = ".aider"
_CACHES = {
    ".cache",
    ".ds_store",
    ".eggs",
    ".hypothesis",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
    "venv",
}
_CACHE_SUFFIXES = (".pyc", ".pyo")
_SECRET_FILES = {".env", ".env.local"}
_GITLAB_FOLDER = ".gitlab"
_GIT_FILE = ".git"
_ORDINARY_GIT_FILES = {".gitignore", ".gitkeep"}
_PROTECTED_NAMES = {"codeowners", ".mailmap"}
_CI_SUFFIXES = (".gitlab-ci.yml", ".gitlab-ci.yaml")


class Verdict(StrEnum):
    """What happens to a change."""

    ALLOW = "allow"
    LEAVE_OUT = "leave out"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class PolicyLimits:
    """What the operator and the base commit add to the rules.

    `allowed` are globs of protected paths that may change all the same; `included_ci` are the
    paths and globs of `ci_files.included_ci_files`.
    """

    max_files: int
    max_file_bytes: int
    allowed: tuple[str, ...] = ()
    included_ci: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One line of the table. `reason` ends a sentence that begins with the path."""

    verdict: Verdict
    name: str
    reason: str
    applies: Callable[[FileChange, PolicyLimits], bool] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What becomes of each change. `ci_skip`: the push must not start a pipeline."""

    allowed: list[FileChange]
    left_out: list[tuple[FileChange, PolicyRule]]
    refused: list[tuple[FileChange, PolicyRule]]
    ci_skip: bool
    max_files: int

    def refusal(self) -> ChangeRefused | None:
        """The error to raise, or None if what is allowed may be committed."""
        if self.refused:
            count = _files(len(self.refused))
            protected = any(rule in _PROTECTING for _, rule in self.refused)
            return ChangeRefused(
                f"the agent changed {count} that it must not change",
                why=_listed([f"{paths.shown_path(c.path)}: {r.reason}" for c, r in self.refused]),
                fix=_FIX_PROTECTED if protected else _FIX,
            )
        if len(self.allowed) > self.max_files:
            return ChangeRefused(
                f"the agent changed {_files(len(self.allowed))}, more than {self.max_files}",
                why=_listed([paths.shown_path(change.path) for change in self.allowed]),
                fix="ask for less at once, or raise WORKFLOWS_MAX_CHANGED_FILES",
            )
        return None


def judge_changes(changes: Iterable[FileChange], limits: PolicyLimits) -> PolicyDecision:
    """Find the first rule that applies to each change."""
    decision = PolicyDecision([], [], [], ci_skip=False, max_files=limits.max_files)
    skip = False
    for change in changes:
        rule = next(rule for rule in RULES if rule.applies(change, limits))
        if rule.verdict is Verdict.ALLOW:
            decision.allowed.append(change)
            skip = skip or rule is _OPERATOR
        elif rule.verdict is Verdict.LEAVE_OUT:
            decision.left_out.append((change, rule))
        else:
            decision.refused.append((change, rule))
    return PolicyDecision(
        decision.allowed, decision.left_out, decision.refused, skip, decision.max_files
    )


def _names(change: FileChange) -> list[str]:
    return [paths.plain_name(part) for part in change.path.split("/")]


def _is_agents(change: FileChange, _: PolicyLimits) -> bool:
    names = _names(change)
    if change.is_gone:
        return False
    if any(name in _AGENT_NAMES for name in names):
        return True
    return change.is_new and any(
        name in _AGENT_NAMES_IF_NEW or name.startswith(_AGENT_PREFIX) for name in names
    )


def _is_cache(change: FileChange, _: PolicyLimits) -> bool:
    names = _names(change)
    return change.is_new and (
        any(name in _CACHES for name in names) or names[-1].endswith(_CACHE_SUFFIXES)
    )


def _is_secret_file(change: FileChange, _: PolicyLimits) -> bool:
    return change.is_new and _names(change)[-1] in _SECRET_FILES


def _is_submodule(change: FileChange, _: PolicyLimits) -> bool:
    return SUBMODULE in (change.old_mode, change.new_mode)


def _is_odd_mode(change: FileChange, _: PolicyLimits) -> bool:
    return not change.is_gone and change.new_mode not in {FILE, EXECUTABLE, SYMLINK}


def _leads_out(change: FileChange, _: PolicyLimits) -> bool:
    is_link = change.new_mode == SYMLINK
    return is_link and not paths.link_stays_inside(change.path, change.link_target)


def _is_configuration(change: FileChange, _: PolicyLimits) -> bool:
    *folders, name = _names(change)
    if any(part.startswith(_GITLAB_FOLDER) for part in folders):
        return True
    if name.startswith(_GIT_FILE) and name not in _ORDINARY_GIT_FILES:
        return True
    return name in _PROTECTED_NAMES or name.endswith(_CI_SUFFIXES)


def _is_included_ci(change: FileChange, limits: PolicyLimits) -> bool:
    return paths.matches_glob(change.path, limits.included_ci, any_case=True)


def _is_operators(change: FileChange, limits: PolicyLimits) -> bool:
    protected = _is_configuration(change, limits) or _is_included_ci(change, limits)
    return protected and paths.matches_glob(change.path, limits.allowed)


def _is_oversize(change: FileChange, limits: PolicyLimits) -> bool:
    size = change.size_bytes or 0
    grown = change.old_size_bytes is None or size > change.old_size_bytes
    return not change.is_known and size > limits.max_file_bytes and grown


_OPERATOR = PolicyRule(
    Verdict.ALLOW, "allowed path", "is protected, and the operator allows it", _is_operators
)
_PROTECTING = (
    PolicyRule(
        Verdict.REFUSE,
        "protected",
        "configures git, GitLab, a pipeline or who must review",
        _is_configuration,
    ),
    PolicyRule(
        Verdict.REFUSE,
        "included CI file",
        "belongs to the pipeline: .gitlab-ci.yml includes it",
        _is_included_ci,
    ),
)

# The first rule that applies decides. Rules about odd names come first, because later rules compare
# names. Then come files that are left out because of their folder, of any kind: a link in
# node_modules is no reason to refuse the work.
RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        Verdict.REFUSE,
        "odd name",
        "its name is not UTF-8, or holds control characters or a backslash",
        lambda change, _: paths.is_odd(change.path),
    ),
    PolicyRule(
        Verdict.REFUSE,
        "git folder",
        "some file systems take a part of its name for .git",
        lambda change, _: paths.has_git_name(change.path),
    ),
    PolicyRule(
        Verdict.LEAVE_OUT, "agent's own file", "is the agent's own log or state", _is_agents
    ),
    PolicyRule(
        Verdict.LEAVE_OUT, "cache", "is a cache or an environment, made by a tool", _is_cache
    ),
    PolicyRule(Verdict.LEAVE_OUT, "secrets file", "is new, and for secrets", _is_secret_file),
    PolicyRule(
        Verdict.REFUSE,
        "secret",
        "holds a secret of this run, such as the model's key",
        lambda change, _: change.holds_secret,
    ),
    PolicyRule(Verdict.REFUSE, "submodule", "is a submodule or another repository", _is_submodule),
    PolicyRule(Verdict.REFUSE, "file mode", "is neither a file nor a symbolic link", _is_odd_mode),
    PolicyRule(Verdict.REFUSE, "link", "is a link that leads out of the repository", _leads_out),
    _OPERATOR,
    *_PROTECTING,
    PolicyRule(Verdict.LEAVE_OUT, "too large", "is larger than a file may be", _is_oversize),
    PolicyRule(
        Verdict.LEAVE_OUT,
        "binary",
        "has new binary content",
        lambda change, _: change.is_binary and not change.is_known,
    ),
    PolicyRule(Verdict.ALLOW, "ordinary", "is an ordinary file", lambda *_: True),
)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _listed(lines: list[str]) -> str:
    more = [f"and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
    return "\n".join(lines[:_NAMED] + more)
