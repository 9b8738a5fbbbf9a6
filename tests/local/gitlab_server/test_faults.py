"""What can be made to go wrong with the next requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from workflows.local.gitlab_server.server import Fault

if TYPE_CHECKING:
    from tests.local.gitlab_server.support import Shop


def test_the_next_answers_can_be_errors(shop: Shop) -> None:
    """A gateway's HTML, then a 429 in plain text with Retry-After, then all is well."""
    shop.lab.faults.fail_next = [503, 429]

    answers = [shop.ask("GET", ".") for _ in range(3)]

    assert [one.status_code for one in answers] == [503, 429, 200]
    assert answers[1].text == "Retry later\n"
    assert answers[1].headers["Retry-After"] == "1"


def test_one_call_of_a_flow_can_fail(shop: Shop) -> None:
    """Chosen by method and path, after as many as may pass."""
    fault = Fault("POST", r"/notes$", status=429, retry_after="7", skip=1)
    shop.lab.fault_rules.append(fault)
    shop.post("./issues", title="Bug")
    shop.post("./issues/1/notes", body="One")

    failed = shop.ask("POST", "./issues/1/notes", json={"body": "Two"})

    assert (failed.status_code, failed.headers["Retry-After"]) == (429, "7")
    assert shop.post("./issues/1/notes", body="Three")
    assert [n["body"] for n in shop.get("./issues/1/notes?sort=asc")] == ["One", "Three"]


@pytest.mark.parametrize("carried_out", [0, 1])
def test_a_connection_can_drop_before_or_after_the_work(shop: Shop, carried_out: int) -> None:
    """The client cannot tell which; the state can."""
    shop.lab.fault_rules.append(Fault("POST", r"/issues$", drop=True, after=bool(carried_out)))

    with pytest.raises(httpx.RemoteProtocolError):
        shop.ask("POST", "./issues", json={"title": "Bug"})

    assert len(shop.project.issues) == carried_out


def test_an_answer_can_be_late(shop: Shop) -> None:
    """Later than the client waits."""
    shop.lab.fault_rules.append(Fault("GET", r"/user$", latency_s=0.3))

    with pytest.raises(httpx.ReadTimeout):
        shop.ask("GET", "/user", timeout=0.1)

    assert shop.ask("GET", "/user").status_code == 200


def test_what_was_asked_is_written_down(shop: Shop) -> None:
    """With who asked, and never with a token."""
    shop.ask("GET", "./issues", "dave")

    seen = shop.lab.requests[-1]
    assert (seen.method, seen.user, seen.status) == ("GET", "dave", 200)
    assert not any(re.search("glpat-dave", str(one)) for one in shop.lab.requests)
