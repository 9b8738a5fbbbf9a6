"""The git steps, on real git against the embedded server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support import DEVELOPER_TOKEN, PROJECT, REPORTER_TOKEN, TOKEN, Remote, git_for
from workflows.core import environment, process
from workflows.core.commit_text import Person, message_for
from workflows.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    BranchNameInvalid,
    BranchNotFound,
    BranchRefused,
    NetworkError,
    NothingToCommit,
    ProcessFailed,
    PushHookDeclined,
    PushNotFastForward,
    PushProtectedBranch,
    PushRejected,
    RemoteUnavailable,
    RepositoryNotFound,
    TimeoutExceeded,
    UrlRefused,
    WorkflowsError,
)
from workflows.core.settings import load
from workflows.local.git_http import create_bare
from workflows.tasks import git
from workflows.tasks.git import Depth

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.settings import Settings

ADA = Person("Ada Lovelace", "ada@example.com")


@pytest.fixture
def clone(remote: Remote, settings: Settings, tmp_path: Path) -> git.Repository:
    """A fresh clone of `acme/shop` with its files checked out."""
    return git.clone_repository(remote.url, tmp_path / "clone", settings=settings)


def write(repository: git.Repository, name: str, text: str = "text\n") -> None:
    """Write a file in the clone, folders included."""
    path = repository.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def push_file(repository: git.Repository, branch: str, name: str, text: str = "text\n") -> str:
    """Write, commit and push one file; the remote's commit id."""
    git.create_branch(repository, branch)
    write(repository, name, text)
    git.commit_changes(repository, author=ADA)
    return git.push_changes(repository, branch)


# --- clone -------------------------------------------------------------------------------------


def test_a_clone_knows_the_remotes_branches_and_default_branch(
    remote: Remote, clone: git.Repository
) -> None:
    """A clone has the files, the default branch, and every branch with its commit id."""
    assert (clone.folder / "README.md").read_text() == "# acme/shop\n"
    assert clone.default_branch == "main"
    assert dict(clone.remote_branches) == remote.branches()
    assert clone.start == remote.branches()["main"]


def test_source_branch_is_the_start(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """With `source_branch` new branches start there, not at the default branch."""
    remote.git("branch", "next", "main")
    other = git.clone_repository(remote.url, tmp_path / "a", settings=settings)
    on_next = push_file(other, "next", "next.txt")

    clone = git.clone_repository(
        remote.url, tmp_path / "b", settings=settings, source_branch="next"
    )
    git.create_branch(clone, "feature")

    assert clone.default_branch == "main"
    assert git.current_commit(clone) == on_next
    assert (clone.folder / "next.txt").exists()


@pytest.mark.parametrize("name", ["trunk", "größe/日本語"])
def test_default_branch_may_have_any_name(
    remote: Remote, settings: Settings, tmp_path: Path, name: str
) -> None:
    """A default branch that is not `main`, in any script, is found."""
    remote.server.create_repository("acme/other", default_branch=name)

    clone = git.clone_repository(
        f"{remote.base_url}/acme/other.git", tmp_path / "clone", settings=settings
    )

    assert clone.default_branch == name


def test_files_with_unicode_names_survive_the_round_trip(
    remote: Remote, clone: git.Repository
) -> None:
    """Names in any script are committed as they are, and named in the message."""
    commit_id = push_file(clone, "übung", "文書/naïve café.txt", "ü\n")

    assert remote.git("show", f"{commit_id}:文書/naïve café.txt") == "ü"
    assert remote.git("log", "-1", "--format=%s", commit_id) == "Add 文書/naïve café.txt"


def test_depths_fetch_what_they_say(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """Blobless leaves old contents behind, shallow old commits too, full nothing."""
    seed = git.clone_repository(remote.url, tmp_path / "seed", settings=settings)
    push_file(seed, "main", "README.md", "second\n")

    found = {}
    for depth in Depth:
        clone = git.clone_repository(
            remote.url, tmp_path / depth.value, settings=settings, depth=depth
        )
        here = clone.run("rev-list", "--objects", "--all", "--missing=print").stdout.splitlines()
        missing = sum(line.startswith("?") for line in here)
        commits = int(clone.run("rev-list", "--count", "HEAD").stdout)
        found[depth] = (commits, missing > 0)

    assert found == {
        Depth.BLOBLESS: (2, True),
        Depth.SHALLOW: (1, False),
        Depth.FULL: (2, False),
    }


def test_a_server_that_cannot_filter_sends_everything(settings: Settings, tmp_path: Path) -> None:
    """Where the remote has filters off, the blobless clone is a full one."""
    bare = tmp_path / "bare.git"
    create_bare(bare, files={"a.txt": "a\n"})
    allowed = settings.model_copy(update={"allow_local_repositories": True})

    clone = git.clone_repository(f"file://{bare}", tmp_path / "clone", settings=allowed)

    listed = clone.run("rev-list", "--objects", "--all", "--missing=print").stdout
    assert "?" not in listed
    assert (clone.folder / "a.txt").read_text() == "a\n"


def test_only_named_files_are_fetched_and_commits_keep_the_rest(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A sparse clone holds the named files alone; its commit leaves all others in place."""
    clone = git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, only=["HELLO.md"], checkout=False
    )

    commit_id = push_file(clone, "sparse", "HELLO.md")

    assert not (clone.folder / "README.md").exists()
    assert remote.git("ls-tree", "--name-only", commit_id).split() == ["HELLO.md", "README.md"]


def test_an_empty_repository_gets_its_first_commit(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A repository without a commit can be cloned, branched, committed to and pushed."""
    remote.server.create_repository("acme/empty", files={}, protected=[])
    url = f"{remote.base_url}/acme/empty.git"

    clone = git.clone_repository(url, tmp_path / "clone", settings=settings)
    commit_id = push_file(clone, "first", "a.txt")

    assert (clone.start, clone.default_branch) == (None, "main")
    assert git_for(url).run("ls-remote", url, cwd=tmp_path).stdout.split() == [
        commit_id,
        "refs/heads/first",
    ]


@pytest.mark.parametrize("name", ["a\u2028b", "a\u0085b", "HEAD", "origin", "-x", "ä/日本"])
def test_odd_branches_of_others_do_not_matter(
    remote: Remote, settings: Settings, tmp_path: Path, name: str
) -> None:
    """Whatever branches others have pushed, the repository can be cloned and worked on."""
    remote.git("update-ref", f"refs/heads/{name}", "main")

    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=settings)

    assert clone.default_branch == "main"
    assert name in {"HEAD", *clone.remote_branches}  # git itself cannot fetch one called HEAD
    assert push_file(clone, "feature", "a.txt") == remote.branches()["feature"]


def test_a_token_that_was_withheld_is_said_to_be(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """Where GIT_TOKEN_HOSTS kept the token back, the error names that setting."""
    picky = settings.model_copy(update={"git_token_hosts": ("gitlab.example.com",)})

    with pytest.raises(AuthenticationFailed, match="GIT_TOKEN_HOSTS"):
        git.clone_repository(remote.url, tmp_path / "clone", settings=picky)


def test_the_servers_prose_does_not_choose_the_error(remote: Remote, clone: git.Repository) -> None:
    """A hook that talks of timeouts and 404 is a declined push, and is not tried again."""
    remote.server.set_push_rule(PROJECT, "connection timed out, returned error: 503, hung up")

    with pytest.raises(PushHookDeclined):
        push_file(clone, "feature", "a.txt")


def test_submodules_and_lfs_pointers_are_left_alone(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A submodule is not entered, a pointer not replaced, and a commit touches neither."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    remote.server.create_repository(
        "acme/big",
        files={
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            ".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = ../shop.git\n',
            "data.bin": pointer,
        },
        protected=[],
    )
    big = Remote(remote.server, remote.base_url, remote.server.root / "acme/big.git", "acme/big")
    tree = big.git("ls-tree", "main").splitlines()
    gitlink = f"160000 commit {remote.branches()['main']}\tsub"
    made = process.run(
        ["git", "mktree"],
        env=environment.for_child(),
        cwd=big.folder,
        stdin="\n".join([*tree, gitlink, ""]).encode(),
        timeout_s=20,
    ).stdout.strip()
    ident = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    commit = big.git(*ident, "commit-tree", made, "-m", "with a submodule")
    big.git("update-ref", "refs/heads/main", commit)

    clone = git.clone_repository(big.url, tmp_path / "clone", settings=settings)
    pushed = push_file(clone, "feature", "note.txt")

    assert list((clone.folder / "sub").iterdir()) == []
    assert (clone.folder / "data.bin").read_text() == pointer
    assert big.git("diff", "--name-status", commit, pushed) == "A\tnote.txt"


def test_a_hundred_thousand_files_are_cloned_changed_and_pushed(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """Size is no limit: 100,000 files in, 100,000 changed, one commit out."""
    count = 100_000
    names = {f"d{n % 317}/f{n}.txt": f"{n}\n" for n in range(count)}
    remote.server.create_repository("acme/huge", files=names, protected=[])
    huge = Remote(remote.server, remote.base_url, remote.server.root / "acme/huge.git", "acme/huge")

    clone = git.clone_repository(
        huge.url, tmp_path / "clone", settings=settings, depth=Depth.SHALLOW, checkout=False
    )
    git.create_branch(clone, "mass-change")
    for name in names:
        (clone.folder / name).write_bytes(b"changed\n")
    commit = git.commit_changes(clone, author=ADA)
    pushed = git.push_changes(clone, "mass-change")

    assert commit.files == count
    assert commit.subject == f"Update {count} files"
    assert huge.branches()["mass-change"] == pushed


def test_a_failed_clone_leaves_no_folder(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """When cloning fails on the way, its folder is gone, so that it can simply be tried again."""
    remote.server.faults.drop_next = 20

    with pytest.raises(NetworkError):
        git.clone_repository(remote.url, tmp_path / "clone", settings=settings)

    assert not (tmp_path / "clone").exists()


# --- what is refused, and how it is called -----------------------------------------------------


@pytest.mark.parametrize(
    ("url", "token", "error"),
    [
        ("{base}/acme/shop.git", "glpat-wrong-token-0000", AuthenticationFailed),
        ("{base}/acme/shop.git", None, AuthenticationFailed),
        ("{base}/acme/absent.git", TOKEN, RepositoryNotFound),
    ],
)
def test_clone_failures_have_names(
    remote: Remote,
    settings: Settings,
    tmp_path: Path,
    url: str,
    token: str | None,
    error: type[WorkflowsError],
) -> None:
    """A wrong token, a missing token and an absent repository are three typed errors."""
    changed = load(git_token=_secret(settings, token))

    with pytest.raises(error) as caught:
        git.clone_repository(url.format(base=remote.base_url), tmp_path / "clone", settings=changed)

    assert caught.value.fix
    assert not caught.value.retryable


def test_a_missing_source_branch_is_named(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """Cloning a branch that is not there is BranchNotFound."""
    with pytest.raises(BranchNotFound):
        git.clone_repository(
            remote.url, tmp_path / "clone", settings=settings, source_branch="absent"
        )


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, RemoteUnavailable), (429, RemoteUnavailable), (502, RemoteUnavailable)],
)
def test_a_gateway_error_may_pass(
    remote: Remote, settings: Settings, tmp_path: Path, status: int, error: type[WorkflowsError]
) -> None:
    """5xx and 429 are transient: worth another try."""
    remote.server.faults.fail_next = [status] * 5

    with pytest.raises(error) as caught:
        git.clone_repository(remote.url, tmp_path / "clone", settings=settings)

    assert caught.value.retryable


def test_nobody_listening_is_a_network_error(settings: Settings, tmp_path: Path) -> None:
    """A refused connection is transient and names the host."""
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:1"):
        git.clone_repository("http://127.0.0.1:1/a/b.git", tmp_path / "clone", settings=settings)


def test_a_silent_server_is_a_timeout(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """A remote that does not answer ends after GIT_TIMEOUT_S, transient."""
    remote.server.faults.latency_s = 30
    hasty = settings.model_copy(update={"git_timeout_s": 0.5})
    started = time.monotonic()

    with pytest.raises(TimeoutExceeded):
        git.clone_repository(remote.url, tmp_path / "clone", settings=hasty)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "fd::3", "--upload-pack=id", "file:///etc", "/etc", "../x", "git://h/x"],
)
def test_dangerous_urls_never_reach_git(settings: Settings, tmp_path: Path, url: str) -> None:
    """Transports that run programs, options and local paths are refused before git starts."""
    with pytest.raises(UrlRefused):
        git.clone_repository(url, tmp_path / "clone", settings=settings)


def test_local_repositories_need_the_setting(settings: Settings, tmp_path: Path) -> None:
    """A path works only where WORKFLOWS_ALLOW_LOCAL_REPOSITORIES says so."""
    create_bare(tmp_path / "bare.git", files={"a.txt": "a\n"})
    allowed = settings.model_copy(update={"allow_local_repositories": True})

    clone = git.clone_repository(str(tmp_path / "bare.git"), tmp_path / "clone", settings=allowed)

    assert clone.default_branch == "main"
    with pytest.raises(UrlRefused):
        git.clone_repository(str(tmp_path / "bare.git"), tmp_path / "again", settings=settings)


def test_git_itself_refuses_other_transports(remote: Remote, clone: git.Repository) -> None:
    """Even a URL that reaches git by another way cannot use ext:: or local files."""
    for url in ("ext::sh -c true", f"file://{remote.folder}"):
        with pytest.raises(ProcessFailed, match=r"not allowed|exit code"):
            clone.run("fetch", url)


def test_a_branch_name_git_refuses_is_refused_at_the_door(clone: git.Repository) -> None:
    """No step takes a branch name that git or GitLab would refuse."""
    for call in (git.create_branch, git.change_branch, git.push_changes):
        with pytest.raises(BranchNameInvalid):
            call(clone, "a..b")


# --- branches ----------------------------------------------------------------------------------


def test_a_new_branch_starts_at_the_default_branch(clone: git.Repository) -> None:
    """`create_branch` says False for a branch the remote does not have."""
    assert git.create_branch(clone, "feature/login") is False
    assert clone.run("symbolic-ref", "--short", "HEAD").stdout.strip() == "feature/login"
    assert git.current_commit(clone) == clone.start


def test_a_branch_the_remote_has_is_gone_on_with(
    remote: Remote, clone: git.Repository, settings: Settings, tmp_path: Path
) -> None:
    """A rerun's `create_branch` takes up what the first run pushed, files included."""
    pushed = push_file(clone, "feature", "one.txt")

    again = git.clone_repository(remote.url, tmp_path / "again", settings=settings, checkout=False)

    assert git.create_branch(again, "feature") is True
    assert git.current_commit(again) == pushed
    assert (again.folder / "one.txt").exists()


def test_change_branch_wants_a_branch_that_exists(clone: git.Repository) -> None:
    """`change_branch` to a branch nobody pushed is BranchNotFound and names those there are."""
    with pytest.raises(BranchNotFound, match="main"):
        git.change_branch(clone, "absent")


# --- commit ------------------------------------------------------------------------------------


def test_a_commit_has_author_and_co_authors(clone: git.Repository) -> None:
    """The author is also the committer; co-authors are trailers git understands."""
    write(clone, "a.txt")

    git.commit_changes(
        clone, author=ADA, message="Add a\n\nWhy not.", co_authors=[Person("Bob", "b@example.com")]
    )

    shown = clone.run("log", "-1", "--format=%an <%ae>|%cn|%s|%(trailers:only,unfold)").stdout
    assert shown.strip() == (
        "Ada Lovelace <ada@example.com>|Ada Lovelace|Add a|Co-authored-by: Bob <b@example.com>"
    )


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ([("A", "a.txt")], "Add a.txt"),
        ([("M", "a.txt"), ("D", "b.txt")], "Update a.txt and delete b.txt"),
        ([("A", "a"), ("A", "b"), ("A", "c")], "Add 3 files"),
        ([("A", "a"), ("M", "b"), ("D", "c")], "Change 3 files"),
        ([("A", "x" * 90)], "Add 1 file"),
        ([("A", "Closes #4 @all")], "Add Closes ?4 ?all"),
    ],
)
def test_a_message_is_built_from_the_changes(changes: list[tuple[str, str]], subject: str) -> None:
    """One or two files are named, more are counted, and names cannot speak to GitLab."""
    assert message_for(changes).splitlines()[0] == subject


def test_nothing_to_commit_is_said(clone: git.Repository) -> None:
    """A tree without a change is NothingToCommit, and no commit is made."""
    before = git.current_commit(clone)

    with pytest.raises(NothingToCommit):
        git.commit_changes(clone, author=ADA)

    assert git.current_commit(clone) == before


def test_only_the_named_paths_are_committed(clone: git.Repository) -> None:
    """With `paths` other changes stay out, an ignored file that is named goes in."""
    write(clone, ".gitignore", "*.log\n")
    write(clone, "named.log")
    write(clone, "other.txt")

    commit = git.commit_changes(clone, author=ADA, paths=["named.log"])

    assert commit.files == 1
    assert clone.run("show", "--name-only", "--format=").stdout.split() == ["named.log"]


def test_a_path_is_a_name_not_a_pattern(clone: git.Repository) -> None:
    """`*` in `paths` means the file called `*`."""
    write(clone, "*")
    write(clone, "other.txt")

    git.commit_changes(clone, author=ADA, paths=["*"])

    assert clone.run("show", "--name-only", "--format=").stdout.split() == ["*"]


# --- push --------------------------------------------------------------------------------------


def test_push_returns_the_remotes_commit_and_may_be_repeated(
    remote: Remote, clone: git.Repository
) -> None:
    """The returned id is what the server has; pushing again returns it again."""
    first = push_file(clone, "feature", "a.txt")

    assert remote.branches()["feature"] == first
    assert git.push_changes(clone, "feature") == first


def test_push_options_reach_the_server_as_they_are(remote: Remote, clone: git.Repository) -> None:
    """Also ones that a shell, or git, might take for something else."""
    options = ["ci.skip", "ci.variable=A=$(id) 'b' \"c\" ü", "--force"]
    git.create_branch(clone, "feature")
    write(clone, "a.txt")
    git.commit_changes(clone, author=ADA)

    git.push_changes(clone, "feature", options=options)
    git.create_branch(clone, "plain")
    git.push_changes(clone, "plain")

    assert [change.options for change in remote.server.pushed] == [tuple(options), ()]


def test_a_push_over_other_commits_is_refused(
    remote: Remote, clone: git.Repository, settings: Settings, tmp_path: Path
) -> None:
    """A branch that moved on the remote is PushNotFastForward, and stays as it was."""
    other = git.clone_repository(remote.url, tmp_path / "other", settings=settings)
    theirs = push_file(other, "feature", "theirs.txt")

    with pytest.raises(PushNotFastForward):
        push_file(clone, "feature", "ours.txt")

    assert remote.branches()["feature"] == theirs


def test_a_lease_overwrites_only_what_we_saw(
    remote: Remote, clone: git.Repository, settings: Settings, tmp_path: Path
) -> None:
    """`force_with_lease` replaces the commit it names and refuses any other."""
    first = push_file(clone, "feature", "a.txt")
    other = git.clone_repository(remote.url, tmp_path / "other", settings=settings)
    ours = _orphan(other)

    with pytest.raises(PushNotFastForward):
        git.push_changes(other, "feature", force_with_lease="1" * 40)
    assert remote.branches()["feature"] == first

    assert git.push_changes(other, "feature", force_with_lease=first) == ours
    assert remote.branches()["feature"] == ours


def test_a_protected_branch_is_refused_by_name(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A Developer's push to a protected branch is PushProtectedBranch with GitLab's words."""
    developer = load(git_token=_secret(settings, DEVELOPER_TOKEN))
    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=developer)
    before = remote.branches()

    with pytest.raises(PushProtectedBranch, match="not allowed to push code to protected"):
        push_file(clone, "main", "a.txt")

    assert remote.branches() == before


def test_a_hooks_words_are_in_the_error(remote: Remote, clone: git.Repository) -> None:
    """A push rule's text is the error's reason."""
    remote.server.set_push_rule(PROJECT, "Commit message does not follow the pattern 'ABC-'")

    with pytest.raises(PushHookDeclined, match="does not follow the pattern 'ABC-'"):
        push_file(clone, "feature", "a.txt")


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
def test_a_branch_in_the_way_of_a_folder_is_refused(
    remote: Remote,
    clone: git.Repository,
    settings: Settings,
    tmp_path: Path,
    first: str,
    second: str,
) -> None:
    """`a` and `a/b` cannot both exist: said before anything is done, or by the server."""
    other = git.clone_repository(remote.url, tmp_path / "other", settings=settings)
    push_file(other, first, "a.txt")
    fresh = git.clone_repository(remote.url, tmp_path / "fresh", settings=settings)

    with pytest.raises(BranchRefused):
        git.create_branch(fresh, second)
    with pytest.raises(PushRejected) as caught:
        push_file(clone, second, "b.txt")

    assert not caught.value.retryable


def test_a_reporter_may_clone_but_not_push(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """A role that may only read is AccessDenied when it pushes."""
    reporter = load(git_token=_secret(settings, REPORTER_TOKEN))
    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=reporter)

    with pytest.raises(AccessDenied):
        push_file(clone, "feature", "a.txt")


def test_a_push_cut_off_is_a_network_error(remote: Remote, clone: git.Repository) -> None:
    """A connection that breaks while pushing is transient."""
    git.create_branch(clone, "feature")
    write(clone, "a.txt")
    git.commit_changes(clone, author=ADA)
    remote.server.faults.drop_next = 5

    with pytest.raises(NetworkError):
        git.push_changes(clone, "feature")


# --- isolation and secrets ---------------------------------------------------------------------


def test_the_clone_keeps_no_credential(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """Neither GIT_TOKEN nor a credential in the URL is in any file of the clone."""
    for n, url in enumerate([remote.url, remote.url.replace("://", f"://bot:{TOKEN}@")]):
        clone = git.clone_repository(url, tmp_path / f"clone{n}", settings=settings)
        push_file(clone, f"feature-{n}", "a.txt")

        for path in clone.folder.rglob("*"):
            if path.is_file():
                assert TOKEN.encode() not in path.read_bytes(), path
        assert clone.run("config", "remote.origin.url").stdout.strip() == remote.url


def test_a_credential_in_the_url_is_used(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """The URL's own credential wins over GIT_TOKEN."""
    wrong = load(git_token=_secret(settings, "glpat-wrong-token-0000"))
    url = remote.url.replace("://", f"://bot:{TOKEN}@")

    assert git.clone_repository(url, tmp_path / "clone", settings=wrong).default_branch == "main"


def test_the_token_goes_to_trusted_hosts_only(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """With GIT_TOKEN_HOSTS another host is never shown the token."""
    picky = settings.model_copy(update={"git_token_hosts": ("gitlab.example.com",)})

    with pytest.raises(AuthenticationFailed):
        git.clone_repository(remote.url, tmp_path / "clone", settings=picky)

    assert {seen.user for seen in remote.server.requests} == {None}


def test_hooks_and_configuration_of_the_machine_do_not_matter(
    remote: Remote, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User configuration, templates with hooks and hooks in the clone are not read or run."""
    home = tmp_path / "hostile"
    hooks = home / "template" / "hooks"
    hooks.mkdir(parents=True)
    trace = home / "ran"
    script = f"#!/bin/sh\ntouch {trace}\nexit 1\n"
    for name in ("post-checkout", "pre-commit", "commit-msg", "pre-push", "reference-transaction"):
        (hooks / name).write_text(script)
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[init]\n\ttemplateDir = {home}/template\n[core]\n\thooksPath = {hooks}\n"
        '[commit]\n\tgpgSign = true\n[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))

    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=settings)
    inside = clone.folder / ".git" / "hooks"
    inside.mkdir(exist_ok=True)
    for hook in hooks.iterdir():
        (inside / hook.name).write_text(script)
        (inside / hook.name).chmod(0o755)
    push_file(clone, "feature", "a.txt")

    assert not trace.exists()


def test_progress_is_reported_in_words(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """`on_progress` hears how far a clone is."""
    heard: list[str] = []

    git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, on_progress=heard.append
    )

    assert any(note.startswith("receiving objects ") and note.endswith("%") for note in heard)


def _secret(settings: Settings, token: str | None) -> object:
    """A settings value of the same kind as `git_token`."""
    assert settings.git_token is not None
    return type(settings.git_token)(token) if token else None


def _orphan(repository: git.Repository) -> str:
    """Make a commit without parents the current one and return its id."""
    repository.run("checkout", "--quiet", "--orphan", "fresh")
    (repository.folder / "fresh.txt").write_text("fresh\n")
    git.commit_changes(repository, author=ADA)
    return git.current_commit(repository)
