"""Clone, branch, commit, push: the git steps of a flow, on the git binary.

Each function may be run again after a crash and ends in the same state. Submodules are not
entered and LFS pointers stay pointers (no filter is configured). See `core.git.command` for how
git is kept away from the machine's configuration and from the token.
"""

from workflows.tasks.git.branch import change_branch, create_branch
from workflows.tasks.git.clone import Depth, clone_repository
from workflows.tasks.git.commit import commit_changes
from workflows.tasks.git.push import delete_branch, push_changes, start_over_when_moved
from workflows.tasks.git.repository import Commit, Repository, current_commit

__all__ = [
    "Commit",
    "Depth",
    "Repository",
    "change_branch",
    "clone_repository",
    "commit_changes",
    "create_branch",
    "current_commit",
    "delete_branch",
    "push_changes",
    "start_over_when_moved",
]
