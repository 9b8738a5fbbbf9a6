"""The table of decisions, row by row, and what must hold for every path."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.change.support import change
from workflows.change.policy import policy
from workflows.change.policy.policy import PolicyLimits, judge_changes
from workflows.change.trees import paths
from workflows.change.trees.file_change import (
    ABSENT,
    EXECUTABLE,
    FILE,
    SUBMODULE,
    SYMLINK,
    FileChange,
)

LIMITS = PolicyLimits(
    max_files=5, max_file_bytes=100, included_ci=frozenset({"ci/build.yml", "ci/t/**"})
)


def link(path: str, target: str | None) -> FileChange:
    return change(path, new=SYMLINK, link_target=target)


def rule_of(one: FileChange, limits: PolicyLimits = LIMITS) -> policy.PolicyRule:
    return next(rule for rule in policy.RULES if rule.applies(one, limits))


ROWS = [
    # odd names
    (change("a\nb.txt"), "odd name"),
    (change("a\x1b[31m.txt"), "odd name"),
    (change("a\\b.txt"), "odd name"),
    (change("invoice\u202etxt.exe"), "odd name"),
    (change("caf\ufffd.txt"), "odd name"),
    (change("node_modules/caf\ufffd.js"), "odd name"),
    (change("文書/naïve café 👩\u200d💻.txt"), "ordinary"),
    (change('it\'s "quoted" & :(top) -x.txt'), "ordinary"),
    (change("-rf"), "ordinary"),
    # .git in all its spellings
    (change(".git/config"), "git folder"),
    (change("sub/.GIT/hooks/post-checkout"), "git folder"),
    (change("git~1/config"), "git folder"),
    (change("sub/GIT~1/config"), "git folder"),
    (change(".g\u200cit/config"), "git folder"),
    (change(".git /config"), "git folder"),
    (change(".git./config"), "git folder"),
    (change(".git::$INDEX_ALLOCATION/config"), "git folder"),
    (change("sub/.git", ABSENT, SUBMODULE), "git folder"),
    (change("a/../b"), "git folder"),
    (change("my.git/config"), "ordinary"),
    (change("git/config"), "ordinary"),
    (change("gitx~1"), "ordinary"),
    # what agents and tools drop
    (change(".pluscoder/llm_history.txt"), "agent's own file"),
    (change("sub/.pluscoder/x"), "agent's own file"),
    (change("pluscoder.log"), "agent's own file"),
    (change(".pluscoder/state", FILE, FILE), "agent's own file"),
    (change(".pluscoder/state", FILE, ABSENT), "ordinary"),
    (change(".pluscoder-config.yml"), "agent's own file"),
    (change(".pluscoder-config.yml", FILE, FILE), "ordinary"),
    (change(".aider.chat.history.md"), "agent's own file"),
    (change("pluscoder.login.py"), "ordinary"),
    (change("src/__pycache__/a.cpython-311.pyc", is_binary=True), "cache"),
    (change("a.pyc"), "cache"),
    (change("node_modules/x/.gitattributes"), "cache"),
    (link(".venv/bin/python", "/usr/bin/python3"), "cache"),
    (change(".venv/src/pkg", ABSENT, SUBMODULE), "cache"),
    (change("sub/.DS_Store"), "cache"),
    (change("node_modules/x.js", FILE, FILE), "ordinary"),
    (change("my_node_modules/x.js"), "ordinary"),
    (change(".env"), "secrets file"),
    (change("deploy/.env.local"), "secrets file"),
    (change(".env", FILE, FILE), "ordinary"),
    (change(".env.example"), "ordinary"),
    # submodules, modes, links
    (change("key.txt", holds_secret=True), "secret"),
    (change(".env", holds_secret=True), "secrets file"),
    (change("lib", ABSENT, SUBMODULE), "submodule"),
    (change("lib", SUBMODULE, SUBMODULE), "submodule"),
    (change("lib", SUBMODULE, ABSENT), "submodule"),
    (change("lib", SUBMODULE, FILE), "submodule"),
    (change("a", FILE, "104755"), "file mode"),
    (change("a", FILE, "100664"), "file mode"),
    (change("a", FILE, EXECUTABLE, is_known=True), "ordinary"),
    (link("a", "/etc/passwd"), "link"),
    (link("a", "../a"), "link"),
    (link("d/a", "../../a"), "link"),
    (link("d/a", "x/../../a"), "link"),
    (link("a", ".git/config"), "link"),
    (link("d/a", "../.GIT"), "link"),
    (link("a", "x\\..\\y"), "link"),
    (link("a", ""), "link"),
    (link("a", None), "link"),
    (link("d/a", "../b"), "ordinary"),
    (link("a", "./d//b"), "ordinary"),
    (change("a", SYMLINK, ABSENT), "ordinary"),
    # protected files
    (change(".gitlab-ci.yml"), "protected"),
    (change(".gitlab-ci.yml", FILE, FILE), "protected"),
    (change(".gitlab-ci.yml", FILE, ABSENT), "protected"),
    (change(".gitlab-ci.yml", FILE, EXECUTABLE, is_known=True), "protected"),
    (change("deep/down/.GitLab-CI.yml"), "protected"),
    (change("deploy.gitlab-ci.yaml"), "protected"),
    (change(".gitlab-ci.yml.", FILE, FILE), "protected"),
    (link(".gitlab-ci.yml", "other.yml"), "protected"),
    (change(".gitlab/agents/prod/config.yaml"), "protected"),
    (change("sub/.gitlab/x"), "protected"),
    (change(".gitlab-ci/build.yml"), "protected"),
    (link(".gitlab", "other"), "protected"),
    (change("CODEOWNERS", FILE, FILE), "protected"),
    (change("docs/codeowners"), "protected"),
    (change(".gitattributes"), "protected"),
    (change("sub/.gitattributes", FILE, ABSENT), "protected"),
    (change(".gitmodules"), "protected"),
    (change(".gitconfig"), "protected"),
    (change(".mailmap"), "protected"),
    (change(".gitignore"), "ordinary"),
    (change("new/.gitkeep", size_bytes=0), "ordinary"),
    (change(".github/workflows/build.yml"), "ordinary"),
    (change("gitlab-ci.yml"), "ordinary"),
    (change("gitlab/x"), "ordinary"),
    (change("codeowners.py"), "ordinary"),
    (change("ci/build.yml", FILE, FILE), "included CI file"),
    (change("CI/Build.yml"), "included CI file"),
    (change("ci/t/deep/x.yml"), "included CI file"),
    (change("sub/ci/build.yml"), "ordinary"),
    # contents
    (change("big.txt", size_bytes=101), "too large"),
    (change("big.txt", FILE, FILE, size_bytes=102, old_size_bytes=101), "too large"),
    (change("big.txt", FILE, FILE, size_bytes=101, old_size_bytes=102), "ordinary"),
    (change("moved.txt", size_bytes=101, is_known=True), "ordinary"),
    (change("fits.txt", size_bytes=100), "ordinary"),
    (change("logo.png", is_binary=True), "binary"),
    (change("logo.png", FILE, FILE, is_binary=True), "binary"),
    (change("moved.png", is_binary=True, is_known=True), "ordinary"),
    (change("logo.png", FILE, ABSENT, size_bytes=None), "ordinary"),
    (change("src/main.py"), "ordinary"),
]


@pytest.mark.parametrize(("one", "name"), ROWS, ids=[ascii(one.path) for one, _ in ROWS])
def test_each_change_meets_its_rule(one: FileChange, name: str) -> None:
    assert rule_of(one).name == name


def test_every_rule_but_the_operators_has_a_row() -> None:
    assert {name for _, name in ROWS} | {"allowed path"} == {rule.name for rule in policy.RULES}


def test_what_the_operator_allows_is_allowed_and_skips_the_pipeline() -> None:
    limits = PolicyLimits(
        5, 100, allowed=("ci/*.yml", "**/CODEOWNERS"), included_ci=LIMITS.included_ci
    )
    allowed = [change("ci/build.yml", FILE, FILE), change("docs/CODEOWNERS")]

    decision = judge_changes(allowed, limits)

    assert decision.allowed == allowed
    assert decision.ci_skip
    assert decision.refusal() is None
    assert judge_changes([change(".gitlab-ci.yml")], limits).refused


def test_a_glob_that_takes_in_ordinary_files_does_not_skip_their_pipeline() -> None:
    decision = judge_changes([change("src/main.py")], PolicyLimits(5, 100, allowed=("**",)))

    assert (decision.ci_skip, len(decision.allowed)) == (False, 1)


@pytest.mark.parametrize(
    "one",
    [
        change(".git/config"),
        change("a\nb"),
        change("lib", ABSENT, SUBMODULE),
        link(".gitattributes", "/etc/passwd"),
    ],
    ids=ascii,
)
def test_the_operator_can_allow_protected_paths_only(one: FileChange) -> None:
    assert judge_changes([one], PolicyLimits(5, 100, allowed=("**",))).refused


def test_a_refusal_names_each_path_and_why_and_the_way_out() -> None:
    decision = judge_changes([change("a\x1b[2J.txt"), change(".gitlab-ci.yml")], LIMITS)
    refusal = decision.refusal()

    assert refusal is not None
    assert "2 files" in refusal.what
    assert "a\\x1b[2J.txt: its name is not UTF-8" in refusal.why
    assert ".gitlab-ci.yml: configures git, GitLab, a pipeline" in refusal.why
    assert "WORKFLOWS_ALLOW_PROTECTED_PATHS" in refusal.fix


def test_a_long_refusal_is_cut() -> None:
    refusal = judge_changes([change(f"{n}/.gitmodules") for n in range(500)], LIMITS).refusal()

    assert refusal is not None
    assert len(refusal.why.splitlines()) == 21
    assert refusal.why.endswith("and 480 more")


def test_too_many_files_are_refused_and_left_out_ones_do_not_count() -> None:
    allowed = [change(f"{n}.txt") for n in range(5)]
    dropped = [change(f"{n}.pyc") for n in range(50)]

    fits = judge_changes(allowed + dropped, LIMITS)
    refusal = judge_changes([*allowed, change("6.txt")], LIMITS).refusal()

    assert fits.refusal() is None
    assert len(fits.left_out) == 50
    assert refusal is not None
    assert "6 files, more than 5" in refusal.what
    assert "WORKFLOWS_MAX_CHANGED_FILES" in refusal.fix


# --- properties --------------------------------------------------------------------------------

_IGNORED = st.sampled_from(["", "\u200c", "\u200d", "\ufeff", "\u206a"])
_DOT_GIT = st.tuples(
    *(st.tuples(st.sampled_from([c, c.upper()]), _IGNORED).map("".join) for c in ".git")
).map("".join)
_GITISH = st.tuples(
    st.one_of(_DOT_GIT, st.sampled_from(["git~1", "GiT~1", "GIT~2"])),
    st.sampled_from(["", ".", " ", ". .", "::$INDEX_ALLOCATION", ":x"]),
).map("".join)
_NAME = st.one_of(_GITISH, st.text(min_size=1, max_size=8).filter(lambda s: "/" not in s))
_MODES = st.sampled_from([ABSENT, FILE, EXECUTABLE, SYMLINK, SUBMODULE])


@given(st.lists(_NAME, max_size=3), _GITISH, st.lists(_NAME, max_size=3), _MODES, _MODES)
def test_no_path_that_could_be_dot_git_is_ever_allowed(
    before: list[str], gitish: str, after: list[str], old: str, new: str
) -> None:
    one = change("/".join([*before, gitish, *after]), old, new, link_target="x")

    decision = judge_changes([one], PolicyLimits(5, 100, allowed=("**",)))

    assert decision.refused


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
            st.lists(st.sampled_from(["..", ".", "", "a", "b", "c", "/"]), max_size=6),
        ),
        max_size=6,
    )
)
def test_links_that_are_allowed_never_lead_out_however_they_are_chained(
    wanted: list[tuple[list[str], list[str]]],
) -> None:
    """The file system itself is asked where each link ends."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve() / "outer" / "root"
        for outside in (root.parent, root.parent.parent):
            for letter in "abc":
                (outside / letter).mkdir(parents=True)
        root.mkdir()
        made = []
        for parts, target_parts in wanted:
            path, target = "/".join(parts), "/".join(target_parts)
            if not paths.link_stays_inside(path, target):
                continue
            place = root / path
            try:  # in a tree no parent of a path is a link
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.parent.resolve() == place.parent:
                    place.symlink_to(target)
                    made.append(place)
            except OSError:
                continue
        for place in made:
            with suppress(OSError, RuntimeError):  # it leads nowhere, or to itself
                assert place.resolve(strict=True).is_relative_to(root)


@given(st.text(max_size=30), st.text(alphabet="ab*?/.[", max_size=12))
def test_a_glob_never_fails_and_matches_itself_without_wildcards(path: str, glob: str) -> None:
    assert isinstance(paths.matches_glob(path, [glob]), bool)
    if not set(glob) & set("*?") and not glob.startswith("/"):
        assert paths.matches_glob(glob, [glob])


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a/b.yml", "a/*.yml", True),
        ("a/c/b.yml", "a/*.yml", False),
        ("a/c/b.yml", "a/**/*.yml", True),
        ("a/b.yml", "a/**/*.yml", True),
        ("b.yml", "**/b.yml", True),
        ("xb.yml", "**/b.yml", False),
        ("a/b/c", "a/**", True),
        ("a/b.yml", "/a/?.yml", True),
        ("a/b+yml", "a/b.yml", False),
        ("A/b", "a/b", False),
    ],
)
def test_globs(path: str, glob: str, *, expected: bool) -> None:
    assert paths.matches_glob(path, [glob]) is expected


def test_a_long_name_is_held_against_many_wildcards() -> None:
    """Tried one within another, they would take hours."""
    name = "-" * 4_000

    assert not paths.matches_glob(name, ["**-**-**-**-**.yml"])
    assert paths.matches_glob(f"{name}.yml", ["**-**-**-**-**.yml"])
