"""The demo's content: a project whose test fails, people with roles, and a few issues."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.local.gitlab_server.actions import comments, editing
from workflows.local.gitlab_server.state.model import DEVELOPER, MAINTAINER, REPORTER

if TYPE_CHECKING:
    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Project

PROJECT = "acme/shop"
FILES = {
    "README.md": "# Shop\n\nPrices and baskets. `python -m unittest` runs the tests.\n",
    "shop.py": (
        '"""Prices."""\n\n\n'
        "def total(prices: list[float], discount: float = 0.0) -> float:\n"
        '    """The sum of the prices, less the discount (0.1 is ten percent)."""\n'
        "    return sum(prices) * discount\n"
    ),
    "test_shop.py": (
        "import unittest\n\nfrom shop import total\n\n\n"
        "class TotalTest(unittest.TestCase):\n"
        "    def test_without_a_discount_it_is_the_sum(self) -> None:\n"
        "        self.assertEqual(total([1, 2, 3]), 6)\n\n"
        "    def test_a_discount_is_taken_off(self) -> None:\n"
        "        self.assertAlmostEqual(total([10, 10], 0.1), 18)\n"
    ),
}
_ISSUES = (
    (
        "The total of a basket is 0",
        "`total([1, 2, 3])` gives 0, it should be 6.\n\n- [ ] `python -m unittest` passes\n",
        ["bug"],
    ),
    ("Say in the README how to install it", "A newcomer asked for it.", ["documentation"]),
    ("Baskets should know their currency", "Euro and Swiss franc would do.", ["feature"]),
)


@dataclass(frozen=True)
class DemoProject:
    """The project, and a token for a Maintainer, a Developer and a Reporter; new each time."""

    project: Project
    maintainer: str = field(repr=False)
    developer: str = field(repr=False)
    reporter: str = field(repr=False)

    def variables(self, url: str) -> dict[str, str]:
        """What a client needs to begin, as environment variables."""
        return {
            "GITLAB_URL": url,
            "GITLAB_TOKEN": self.maintainer,
            "GITLAB_READ_TOKEN": self.reporter,
            "GITLAB_PROJECT": self.project.path,
        }


def fill(lab: GitLabState) -> DemoProject:
    """Create the private demo project; the pages are shown as its Developer dave."""
    project = lab.create_project(PROJECT, files=FILES)
    tokens = []
    people = (("mona", MAINTAINER), ("dave", DEVELOPER), ("rita", REPORTER))
    for username, level in people:
        user = lab.create_user(username)
        lab.add_member(project, user, level)
        tokens.append(lab.create_token(user, value=f"glpat-{secrets.token_urlsafe(15)}"))
    rita, dave = lab.find_user("rita"), lab.find_user("dave")
    assert rita  # noqa: S101 - made above
    assert dave  # noqa: S101
    for name, color in (("bug", "#d9534f"), ("documentation", "#5cb85c"), ("feature", "#428bca")):
        lab.label(project, name, color)
    for title, text, labels in _ISSUES:
        editing.open_issue(lab, project, rita, title, text, labels=labels)
    comments.write_comment(lab, project.issues[1], dave, "It worked before the discount came in.")
    lab.person = dave
    return DemoProject(project, *tokens)
