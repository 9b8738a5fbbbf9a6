"""Branch names: against git itself, and in tables for what git leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import BranchNameInvalid
from workflows.core.git.branch_names import MAX_BRANCH_BYTES, check_branch_name

if TYPE_CHECKING:
    from pathlib import Path


ENV = environment.for_child({"GIT_CONFIG_GLOBAL": "/dev/null", "HOME": "/"}.items())
# Text made of what the rules are about, so that names near a border come up often.
PIECES = st.sampled_from(
    [
        "a",
        "Z",
        "0",
        "é",
        "分",
        "-",
        "_",
        "+",
        "#",
        "%",
        "$",
        "'",
        '"',
        "&",
        ";",
        "|",
        "(",
        "!",
        ",",
        "/",
        "//",
        ".",
        "..",
        ".lock",
        "lock",
        "@",
        "{",
        "@{",
        "}",
        "~",
        "^",
        ":",
        "?",
        "*",
        "[",
        "]",
        "\\",
        " ",
        "\t",
        "\n",
        "\x7f",
        "HEAD",
        "refs/heads/",
        "refs",
        "main",
        "\u200b",
        "\xa0",
    ]
)
NAMES = st.one_of(
    st.lists(PIECES, max_size=6).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
GOOD_NAMES = st.one_of(
    st.lists(
        st.sampled_from(["a", "Z", "/b", "-", "_", "#", "'\"", "$(x)", ".c", "@", "{", "é", "分"])
    )
    .filter(bool)
    .map("".join),
    st.text(
        st.characters(exclude_categories=["C", "Z"], exclude_characters="~^:?*[\\"), max_size=20
    ),
)


def accepted(name: str) -> bool:
    """Whether we take it for a branch name."""
    try:
        return check_branch_name(name) == name
    except BranchNameInvalid:
        return False


def git_accepts(name: str) -> bool:
    """Whether git takes it for a branch name."""
    command = ["git", "check-ref-format", "--branch", name]
    return process.run(command, env=ENV, timeout_s=20, check=False).exit_code == 0


@settings(deadline=None, max_examples=200)
@given(NAMES)
@example("a.lock/b")
@example("a/.b")
@example("@")
@example("-")
@example("a@{b")
@example("a.")
def test_git_accepts_what_we_accept(name: str) -> None:
    """A name that git refuses is refused by us, and one that we accept is accepted by git."""
    assert not accepted(name) or git_accepts(name)


@settings(deadline=None, max_examples=30)
@given(st.lists(GOOD_NAMES.filter(accepted), min_size=5, max_size=40, unique=True))
@example(["a", "é" * 122, "x" * MAX_BRANCH_BYTES, "feature/login", "分支/é", "a'b\"$(c);d&e|f"])
def test_every_accepted_name_can_be_a_branch(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """Git really makes a branch of each name that we accept, one after another in one process."""
    repository = empty_repository(tmp_path_factory)
    head = process.run(
        ["git", "commit-tree", "-m", "x", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"],
        env=ENV
        | dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "T")
        | dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "t@e"),
        cwd=repository,
        timeout_s=20,
    ).stdout.strip()
    commands = "".join(
        f"start\0create refs/heads/{name}\0{head}\0commit\0"
        f"start\0delete refs/heads/{name}\0{head}\0commit\0"
        for name in names
    )

    done = process.run(
        ["git", "update-ref", "--stdin", "-z"],
        env=ENV,
        cwd=repository,
        stdin=commands.encode(),
        timeout_s=20,
    )

    assert done.stdout.count("commit: ok") == 2 * len(names)


def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One bare repository for all examples, with the empty tree in it."""
    folder = tmp_path_factory.getbasetemp() / "branches.git"
    if not folder.exists():
        process.run(["git", "init", "-q", "--bare", str(folder)], env=ENV, timeout_s=20)
        process.run(["git", "mktree"], env=ENV, cwd=folder, stdin=b"", timeout_s=20)
    return folder


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("a b", "space"),
        ("a\tb", "invisible"),
        ("a\0b", "invisible"),
        ("a\xa0b", "invisible"),
        ("a\u200bb", "invisible"),
        ("a\u202eb", "invisible"),
        ("a\u2028b", "invisible"),
        ("a\udcffb", "invisible"),
        ("x" * (MAX_BRANCH_BYTES + 1), "longer"),
        ("é" * 123, "longer"),
        ("-", "starts with '-'"),
        ("--upload-pack=x", "starts with '-'"),
        ("a~1", "one of"),
        ("a..b", "'..'"),
        ("@", "'@'"),
        ("@{-1}", "'@{'"),
        ("/a", "empty"),
        ("a/", "empty"),
        ("a//b", "empty"),
        ("a.", "ends with '.'"),
        (".a", "starts with '.'"),
        ("a/.b", "starts with '.'"),
        ("a.lock", ".lock"),
        ("a.lock/b", ".lock"),
        ("HEAD", "HEAD"),
        ("refs/heads/a", "GitLab"),
        ("refs/remotes/origin/a", "GitLab"),
        ("refs/tags/v1", "GitLab"),
        ("8c1f5f2f7d1f0c3f0e2f5d8a1b2c3d4e5f607182", "commit id"),
        ("8C1F5F2F7D1F0C3F0E2F5D8A1B2C3D4E5F607182", "commit id"),
        ("8c1f5f2f7d1f0c3f0e2f5d8a1b2c3d4e5f607182-fix", "commit id"),
        ("8c1f5f2f7d1f0c3f0e2f5d8a1b2c3d4e5f607182/fix", "commit id"),
        ("a" * 64, "commit id"),
    ],
)
def test_a_refused_branch_name_says_which_rule(name: str, why: str) -> None:
    """Each rule, git's or GitLab's, refuses its name and says so, in printable characters."""
    with pytest.raises(BranchNameInvalid) as caught:
        check_branch_name(name)

    assert why in caught.value.why
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "feature/login",
        "workflows/42-add-oauth-login",
        "a" * 39,
        "a" * 41,
        "b" * 63,
        "g" * 40,
        "release-8c1f5f2f7d1f0c3f0e2f5d8a1b2c3d4e5f607182",
        "refs",
        "refs/changes/1",
        "head",
        "é",
        "分支",
        "a@b",
        "a{b}",
        "x" * MAX_BRANCH_BYTES,
    ],
)
def test_a_good_branch_name_comes_back(name: str) -> None:
    """A name that git and GitLab accept is returned as it is."""
    assert check_branch_name(name) == name
