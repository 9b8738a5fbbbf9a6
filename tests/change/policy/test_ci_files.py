"""Which files a pipeline is made of: what `.gitlab-ci.yml` includes, in every form."""

from __future__ import annotations

import pytest

from workflows.change.policy.ci_files import included_ci_files


def included(**files: str) -> frozenset[str]:
    texts = {name.replace("__", "/") + ".yml": text for name, text in files.items()}
    return included_ci_files(texts.get, "ci.yml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("include: a.yml", {"a.yml"}),
        ("include: /a.yml", {"a.yml"}),
        ("include: [a.yml, {local: /b/c.yml}]", {"a.yml", "b/c.yml"}),
        ("include:\n- local: a.yml\n  rules: [{if: $X}]\n- local: [b.yml, c.yml]",
         {"a.yml", "b.yml", "c.yml"}),
        ("include: {local: 'ci/**/*.yml'}", {"ci/**/*.yml"}),
        ("include: {local: 'ci/$KIND/${WHAT}.yml'}", {"ci/**/**.yml"}),
        ("include: https://example.com/a.yml", set()),
        ("include: [{remote: x}, {template: y}, {project: p, file: /z.yml}, {component: c}]",
         set()),
        ("child:\n  trigger:\n    include: child.yml", {"child.yml"}),
        ("child:\n  trigger:\n    include:\n    - local: child.yml\n    - artifact: x",
         {"child.yml"}),
        ("child: {trigger: group/project}", set()),
        ("spec: {inputs: {}}\n---\ninclude: a.yml", {"a.yml"}),
        ("x: !reference [.a, script]\ninclude: a.yml", {"a.yml"}),
        ("x: !!python/object/apply:os.system [id]\ninclude: a.yml", {"a.yml"}),
        (".x: &x [a.yml]\ninclude: *x", {"a.yml"}),
        ("include: a.yml\nx: [", {"a.yml"}),
        ("include: &a [*a, b.yml]", {"b.yml"}),
        ("- include: a.yml", set()),
        ("{[a]: b, include: a.yml}", {"a.yml"}),
        ("\x00", set()),
        ("", set()),
    ],
)  # fmt: skip
def test_local_includes_are_found_in_every_form(text: str, expected: set[str]) -> None:
    assert included(ci=text) == expected | {"ci.yml"}


def test_includes_of_includes_are_followed_and_loops_end() -> None:
    found = included(ci="include: a/b.yml", a__b="include: [ci.yml, c.yml]", c="include: gone.yml")

    assert found == {"ci.yml", "a/b.yml", "c.yml", "gone.yml"}


def test_an_endless_chain_of_includes_is_cut() -> None:
    found = included_ci_files(lambda path: f"include: x{path}", "ci.yml")

    assert len(found) == 150


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n"
            for n in range(20)
        ) + "include: *u\n",
        "a: &a {x: y}\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}\n"
            for n in range(20)
        ) + "include: z.yml",
        "[" * 200_000,
        "include: z.yml\nx: " + "[" * 5_000 + "]" * 5_000,
        "&a " * 1_000,
    ],
    ids=["alias-bomb", "merge-bomb", "deep", "deep-value", "anchors"],
)  # fmt: skip
def test_hostile_yaml_costs_little(text: str) -> None:
    assert included(ci=text) <= {"ci.yml", "x", "z.yml"}


@pytest.mark.parametrize(("others", "read"), [(9_998, True), (9_999, False)])
def test_ten_thousand_values_of_an_include_are_read(others: int, *, read: bool) -> None:
    """The list itself counts, and its first path is read last."""
    text = "include: [a.yml" + ", 'x://y'" * others + "]"

    assert included(ci=text) == ({"ci.yml", "a.yml"} if read else {"ci.yml"})
