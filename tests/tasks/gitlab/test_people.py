"""Users, members and their roles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.tasks.gitlab.support import LEVELS, Answer, Hub, Scripted, settings_for
from workflows.core.errors import AccessDenied, ParametersInvalid, ResourceNotFound
from workflows.servers.serving import serve_app
from workflows.tasks.gitlab import GitLab, User
from workflows.tasks.gitlab.people import _level, author

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def blocked(hub: Hub) -> Iterator[str]:
    """Dave's account, blocked for a while."""
    hub.user("dave").state = "blocked"
    yield "dave"
    hub.user("dave").state = "active"


def test_me_is_the_tokens_user(hub: Hub) -> None:
    """With GitLab's no-reply address on our host, where the API gives no commit address."""
    dave = hub.user("dave")

    me = hub.connect("dave").me()

    email = f"{dave.id}-dave@users.noreply.127.0.0.1"
    assert me == User(dave.id, "dave", "Dave", email, f"{hub.lab.url}/dave")


def test_the_commit_address_is_the_users_choice() -> None:
    """GET /user names it as commit_email."""
    body = b'{"id": 7, "username": "ada", "commit_email": "ada@work.example", "name": null}'
    with (
        serve_app(Scripted([Answer(body=body)])) as url,
        GitLab.connect(settings_for(url)) as client,
    ):
        me = client.me()

    assert (me.email, me.name, me.web_url) == ("ada@work.example", "ada", f"{url}/ada")


def test_others_are_found_by_id(hub: Hub) -> None:
    """With a no-reply address: theirs is not ours to see."""
    gus = hub.user("gus")

    found = hub.connect().user_by_id(gus.id)

    assert (found.username, found.email) == ("gus", f"{gus.id}-gus@users.noreply.127.0.0.1")


def test_nobody_has_an_unknown_id(hub: Hub) -> None:
    """An error, not None: who asks by id has it from GitLab."""
    with pytest.raises(ResourceNotFound):
        hub.connect().user_by_id(999_999)


@pytest.mark.parametrize(("name", "level"), LEVELS.items())
def test_a_role_is_a_level(hub: Hub, name: str, level: int) -> None:
    """0 is nobody."""
    assert hub.connect("mona").access_level(hub.id, hub.user(name).id) == level


def test_a_role_in_a_group_counts(hub: Hub) -> None:
    """Inherited from the group above the group."""
    stranger = hub.user("stranger")
    group = hub.lab.namespaces["acme"]
    hub.lab.add_member(group, stranger, 30)

    level = hub.connect("mona").access_level(hub.id, stranger.id)
    del group.members[stranger.id]

    assert level == 30


def test_who_is_blocked_has_no_role(hub: Hub, blocked: str) -> None:
    """GitLab lists them all the same."""
    assert hub.connect("mona").access_level(hub.id, hub.user(blocked).id) == 0


def test_who_does_not_exist_has_no_role(hub: Hub) -> None:
    """Neither has anybody in a project that the token may not see."""
    assert hub.connect("mona").access_level(hub.id, 999_999) == 0
    assert hub.connect("stranger").access_level(hub.id, hub.user("mona").id) == 0


NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
MEMBER: dict[str, Any] = {"state": "active", "access_level": 30}


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({}, 30),
        ({"membership_state": "active", "expires_at": None}, 30),
        ({"membership_state": "awaiting"}, 0),
        ({"state": "blocked"}, 0),
        ({"state": "ldap_blocked"}, 0),
        ({"state": "deactivated"}, 0),
        ({"expires_at": "2026-05-06"}, 30),
        ({"expires_at": "2026-05-05"}, 0),
        ({"expires_at": "2020-01-01"}, 0),
        ({"access_level": 25}, 25),
    ],
)
def test_a_membership_counts_while_it_lasts(more: dict[str, Any], level: int) -> None:
    """It ends at the beginning of its last day, by GitLab's clock in UTC."""
    assert _level(MEMBER | more, NOW) == level


def test_an_expired_membership_is_no_role(hub: Hub) -> None:
    """As the embedded GitLab has it."""
    stranger = hub.user("stranger")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    hub.lab.add_member(hub.project, stranger, 40, expires_at=yesterday)

    assert hub.connect("mona").access_level(hub.id, stranger.id) == 0


def test_users_are_resolved_by_name_and_id(hub: Hub) -> None:
    """With or without @, in any case, each once, in order."""
    dave, gus = hub.user("dave").id, hub.user("gus").id

    found = hub.connect().user_ids(["@gus", "Dave", str(gus), dave])

    assert found == (gus, dave)


def test_every_unknown_user_is_named(hub: Hub) -> None:
    """All at once, so that they can be corrected at once."""
    with pytest.raises(ParametersInvalid) as caught:
        hub.connect().user_ids(["dave", "@nobody", "999999", "", "@"])

    assert caught.value.what == "GitLab knows no user '@nobody', '999999', '', '@'"


def test_no_users_are_no_request(hub: Hub) -> None:
    """The empty list is empty."""
    assert hub.connect().user_ids([]) == ()
    assert hub.asked("GET") == 0


def test_a_deleted_author_is_a_ghost() -> None:
    """Id 0, which no real user has."""
    assert author(None).id == 0


def test_a_blocked_token_is_denied(hub: Hub, blocked: str) -> None:
    """403 with GitLab's reason."""
    with pytest.raises(AccessDenied, match="blocked"):
        hub.connect(blocked).me()
