"""Branches: made by exactly one, told apart from made by somebody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.tasks.gitlab.support import wait_until
from workflows.core.errors import AccessDenied, RequestRefused, ResourceNotFound

if TYPE_CHECKING:
    from tests.tasks.gitlab.support import Hub

NAME = "workflows/7-log/in"


def heads(hub: Hub) -> dict[str, str]:
    with hub.lab.lock:
        return hub.project.repository.branches()


def test_a_branch_is_read(hub: Hub) -> None:
    """Its commit, and whether it is protected and the default one."""
    main = hub.connect().branch(hub.id, "main")

    assert main is not None
    assert (main.name, main.commit_id) == ("main", heads(hub)["main"])
    assert (main.protected, main.default) == (True, True)


def test_a_branch_that_is_not_there_is_none(hub: Hub) -> None:
    """Also one with a slash, or in a project that is hidden."""
    assert hub.connect().branch(hub.id, "no/such") is None
    assert hub.connect("stranger").branch(hub.id, "main") is None


def test_a_branch_is_made(hub: Hub) -> None:
    """True: this call made it, at the commit of the ref."""
    client = hub.connect()

    assert client.create_branch(hub.id, NAME, "main") is True

    made = client.branch(hub.id, NAME)
    assert made is not None
    assert (made.commit_id, made.protected, made.default) == (heads(hub)["main"], False, False)


def test_a_branch_that_is_there_is_not_made(hub: Hub) -> None:
    """False, even where the ref would be refused."""
    client = hub.connect()
    client.create_branch(hub.id, NAME, "main")

    assert client.create_branch(hub.id, NAME, "main") is False
    assert client.create_branch(hub.id, NAME, "nowhere") is False


def test_of_many_at_once_one_makes_the_branch(hub: Hub) -> None:
    """So that a branch can be a claim."""
    clients = [hub.connect() for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda c: c.create_branch(hub.id, NAME, "main"), clients))

    assert sorted(found, key=bool) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("name", "ref"), [(NAME, "nowhere"), ("a..b", "main"), ("main/x", "main"), ("a" * 40, "main")]
)
def test_a_branch_that_cannot_be_is_refused(hub: Hub, name: str, ref: str) -> None:
    """With GitLab's words."""
    with pytest.raises(RequestRefused) as caught:
        hub.connect().create_branch(hub.id, name, ref)

    assert caught.value.why
    assert list(heads(hub)) == ["main"]


def test_a_role_too_low_makes_no_branch(hub: Hub) -> None:
    """Reporter."""
    with pytest.raises(AccessDenied):
        hub.connect("rita").create_branch(hub.id, NAME, "main")


def test_no_branch_is_made_in_a_project_that_is_hidden(hub: Hub) -> None:
    """Not found."""
    with pytest.raises(ResourceNotFound):
        hub.connect("stranger").create_branch(hub.id, NAME, "main")


def test_a_branch_is_deleted_once_or_twice(hub: Hub) -> None:
    """One that is gone is no error."""
    client = hub.connect()
    client.create_branch(hub.id, NAME, "main")

    client.delete_branch(hub.id, NAME)
    client.delete_branch(hub.id, NAME)

    assert list(heads(hub)) == ["main"]


def test_the_default_branch_is_not_deleted(hub: Hub) -> None:
    """GitLab refuses."""
    with pytest.raises(RequestRefused):
        hub.connect("mona").delete_branch(hub.id, "main")


@pytest.mark.parametrize("fault", [{"drop": True, "after": True}, {"status": 502, "after": True}])
def test_a_lost_answer_leaves_it_open_who_made_the_branch(
    hub: Hub, fault: dict[str, bool | int]
) -> None:
    """None: it is there, and the caller must find out whose it is."""
    hub.fail("POST", "/branches$", **fault)

    assert hub.connect().create_branch(hub.id, NAME, "main") is None
    assert NAME in heads(hub)


def test_an_answer_that_comes_too_late_is_a_lost_one(hub: Hub) -> None:
    """GitLab carried the request out, and we had hung up."""
    client = hub.connect(gitlab_timeout_s=0.5)
    client.me()
    hub.fail("POST", "/branches$", latency_s=0.8, after=True)
    hub.meanwhile = lambda: wait_until(lambda: NAME in heads(hub))

    assert client.create_branch(hub.id, NAME, "main") is None


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"status": 429}])
def test_a_request_that_was_not_carried_out_is_sent_again(
    hub: Hub, fault: dict[str, bool | int]
) -> None:
    """True: GitLab told us that the second one made it."""
    hub.fail("POST", "/branches$", **fault)

    assert hub.connect().create_branch(hub.id, NAME, "main") is True


def test_another_may_have_been_faster_after_a_lost_answer(hub: Hub) -> None:
    """The first POST is lost, then somebody makes the branch: whose it is, is open."""
    hub.fail("POST", "/branches$", status=503)
    hub.fail("GET", "/branches/", status=404)  # it was not to be seen yet

    def somebody() -> None:
        hub.branch(NAME)

    hub.meanwhile = somebody

    assert hub.connect().create_branch(hub.id, NAME, "main") is None
