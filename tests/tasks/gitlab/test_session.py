"""One request: where it goes, how long it takes, what its answer means."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.tasks.gitlab.support import ME, TOKEN, Answer, settings_for
from workflows.core import process
from workflows.core.config import environment
from workflows.core.config.settings import load
from workflows.core.errors import (
    NetworkError,
    RemoteUnavailable,
    RequestRefused,
    SettingsInvalid,
    WorkflowsError,
)
from workflows.tasks.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tasks.gitlab.support import Scripted


# --- settings --------------------------------------------------------------------------------


def test_importing_the_package_imports_no_client() -> None:
    """python-gitlab takes a quarter of a second, which `--help` need not wait for."""
    code = (
        "import sys, workflows.tasks.gitlab\n"
        "print([m for m in ('gitlab', 'requests', 'urllib3') if m in sys.modules])"
    )

    done = process.run([sys.executable, "-c", code], env=environment.for_child(()), timeout_s=30)

    assert done.stdout.strip() == "[]"


def test_missing_settings_are_named_together() -> None:
    """Both of them, before anything is sent."""
    with pytest.raises(SettingsInvalid) as caught:
        GitLab.connect(load())

    assert "GITLAB_URL" in caught.value.why
    assert "GITLAB_TOKEN" in caught.value.why


@pytest.mark.parametrize("token", ["glpat a", "glpat-\n-x", "glpät", " "])
def test_a_token_no_header_can_carry_is_refused(token: str) -> None:
    """By name, and without showing it."""
    with pytest.raises(SettingsInvalid, match="GITLAB_TOKEN") as caught:
        GitLab.connect(settings_for("http://127.0.0.1:1", token))

    assert "glp" not in str(caught.value)


def test_a_line_end_after_the_token_is_no_part_of_it(url: str, script: Scripted) -> None:
    """As a file with a secret usually has one."""
    script.answers = [Answer(body=ME)]

    with GitLab.connect(settings_for(url, f"{TOKEN}\n")) as client:
        client.me()

    assert script.seen[0][2]["private-token"] == TOKEN


@pytest.mark.parametrize("name", ["none", "folder", "nonsense.pem"])
def test_an_authority_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """By the name of the variable."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "nonsense.pem").write_text("nonsense")

    with pytest.raises(SettingsInvalid, match="GIT_SSL_CAINFO"):
        GitLab.connect(settings_for("https://127.0.0.1:1", git_ca_file=str(tmp_path / name)))


def test_again_makes_another_client(client: GitLab, script: Scripted) -> None:
    """For another thread: it works after the first one is closed."""
    script.answers = [Answer(body=ME)]
    other = client.again()
    client.close()

    assert other.me().id == 7
    other.close()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_does_not_see_requests_to_this_machine(
    client: GitLab, script: Scripted, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    script.answers = [Answer(body=ME)]

    assert client.me().username == "ada"


# --- where the token goes --------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_gets_no_token(
    client: GitLab, script: Scripted, elsewhere: tuple[Scripted, str], status: int
) -> None:
    """It gets no request at all."""
    other, other_url = elsewhere
    script.answers = [Answer(status, headers={"location": f"{other_url}/api/v4/user"})]

    with pytest.raises(RequestRefused, match="elsewhere") as caught:
        client.me()

    assert other.seen == []
    assert other_url in caught.value.why
    assert "GITLAB_URL" in caught.value.fix


def test_a_redirect_with_a_password_is_refused_and_the_password_stays_hidden(
    client: GitLab, script: Scripted, url: str
) -> None:
    """Even to this GitLab itself: requests would send that password in place of the token."""
    place = url.replace("://", "://eve:s3cret-w0rd@") + "/api/v4/user"
    script.answers = [Answer(302, headers={"location": place}), Answer(body=ME)]

    with pytest.raises(RequestRefused, match="elsewhere") as caught:
        client.me()

    assert len(script.seen) == 1
    assert "s3cret-w0rd" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["//{}/api/v4/user", "https://127.0.0.1/api/v4/user", "/login", "http://[x"]
)
def test_a_redirect_out_of_the_api_is_refused(
    client: GitLab, script: Scripted, elsewhere: tuple[Scripted, str], place: str
) -> None:
    """Another host without a scheme, another scheme, another path, no address."""
    other, other_url = elsewhere
    place = place.replace("{}", other_url.partition("//")[2])
    script.answers = [Answer(302, headers={"location": place})]

    with pytest.raises(RequestRefused, match="elsewhere"):
        client.me()

    assert (len(script.seen), other.seen) == (1, [])


def test_a_redirect_of_a_change_is_refused(client: GitLab, script: Scripted, url: str) -> None:
    """The library would send a POST on as a GET."""
    moved = Answer(301, headers={"location": f"{url}/api/v4/projects/2"})
    script.answers = [moved, Answer(404)]

    with pytest.raises(RequestRefused):
        client.create_branch(1, "x", "main")

    assert [method for method, _, _ in script.seen] == ["POST", "GET"]  # was it there?


def test_redirects_in_a_circle_end(client: GitLab, script: Scripted, url: str) -> None:
    """After a few."""
    script.answers = [Answer(302, headers={"location": f"{url}/api/v4/user"})]

    with pytest.raises(RequestRefused, match="again and again"):
        client.me()

    assert len(script.seen) == 4


def test_a_link_to_another_host_gets_no_token(
    client: GitLab, script: Scripted, elsewhere: tuple[Scripted, str]
) -> None:
    """The next page is asked for by its number, on our host."""
    other, other_url = elsewhere
    link = {"link": f'<{other_url}/api/v4/x?page=2>; rel="next"'}
    ada = b'[{"username": "ada", "id": 7}]'
    script.answers = [Answer(body=b'[{"username": "bob"}]', headers=link), Answer(body=ada)]

    assert client.user_ids(["ada"]) == (7,)

    assert other.seen == []
    assert len(script.seen) == 2
    assert "page=2" in script.seen[1][1]


def test_a_list_without_an_end_is_refused(
    client: GitLab, script: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that always names a next page is asked a bounded number of times."""
    monkeypatch.setattr("workflows.tasks.gitlab.client._MAX_PAGES", 5)
    link = {"link": '</api/v4/x>; rel="next"'}
    script.answers = [Answer(body=b'[{"username": "bob"}]', headers=link)]

    with pytest.raises(RequestRefused, match="does not end"):
        client.user_ids(["ada"])

    assert len(script.seen) == 5


# --- again -----------------------------------------------------------------------------------


def test_nobody_listening_is_a_network_error(waits_s: list[float]) -> None:
    """After the retries, with doubling waits."""
    with (
        GitLab.connect(settings_for("http://127.0.0.1:1"), sleep=waits_s.append) as client,
        pytest.raises(NetworkError),
    ):
        client.me()

    assert waits_s == pytest.approx([0.001, 0.002, 0.004])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_tried_again(
    client: GitLab, script: Scripted, waits_s: list[float], status: int
) -> None:
    """As often as WORKFLOWS_RETRIES says; then it succeeds."""
    script.answers = [*[Answer(status)] * 3, Answer(body=ME)]

    assert client.me().id == 7
    assert waits_s == pytest.approx([0.001, 0.002, 0.004])


def test_a_read_is_not_tried_for_ever(client: GitLab, script: Scripted) -> None:
    """It ends in the error of the last attempt."""
    script.answers = [Answer(503, b"down")]

    with pytest.raises(RemoteUnavailable, match="503"):
        client.me()

    assert len(script.seen) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_final_answer_is_not_tried_again(client: GitLab, script: Scripted, status: int) -> None:
    """Least of all a 401: GitLab bans who repeats it."""
    script.answers = [Answer(status)]

    with pytest.raises(WorkflowsError):
        client.me()

    assert len(script.seen) == 1


def in_s(seconds: float) -> str:
    """An HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("2.5", 2.5, 2.5),
        ("-3", 0, 0),
        ("86400", 30, 30),
        ("1e999", 30, 30),
        ("nan", 0.001, 0.001),
        ("soon", 0.001, 0.001),
        ("", 0.001, 0.001),
        ("DATE+20", 15, 21),
        ("DATE+9999", 30, 30),
        ("DATE-50", 0, 0),
        ("Mon, 99 Foo 2026", 0.001, 0.001),
    ],
)
def test_retry_after_is_honoured_up_to_30_s(
    client: GitLab,
    script: Scripted,
    waits_s: list[float],
    asked: str,
    least: float,
    most: float,
) -> None:
    """As a number and as a date; what is neither counts as not given."""
    value = in_s(float(asked[4:])) if asked.startswith("DATE") else asked
    script.answers = [Answer(429, b"Retry later\n", {"retry-after": value}), Answer(body=ME)]

    client.me()

    assert len(waits_s) == 1
    assert least <= waits_s[0] <= most


def test_the_error_says_how_long_to_wait(client: GitLab, script: Scripted) -> None:
    """For whoever tries the step again."""
    script.answers = [Answer(503, b"", {"retry-after": "999"})]

    with pytest.raises(RemoteUnavailable) as caught:
        client.me()

    assert caught.value.wait_s == 30


# --- time ------------------------------------------------------------------------------------


class Clock(BaseHTTPRequestHandler):
    """A server with a time of its own; uvicorn would always say the right one."""

    protocol_version = "HTTP/1.1"
    says: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", self.says)
        self.send_header("Content-Length", str(len(ME)))
        self.end_headers()
        self.wfile.write(ME)

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="module")
def clock_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Clock) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_time_is_gitlabs(clock_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the Date header of the latest answer, in UTC, going on since."""
    monkeypatch.setattr(Clock, "says", "Tue, 01 Jan 2030 00:00:00 GMT")
    with GitLab.connect(settings_for(clock_url)) as client:
        before = client.server_time()
        client.me()
        now = client.server_time()

    assert abs(before - datetime.now(UTC)) < timedelta(minutes=1)
    assert timedelta(0) <= now - datetime(2030, 1, 1, tzinfo=UTC) < timedelta(minutes=1)


@pytest.mark.parametrize("value", ["", "yesterday", "Mon, 99 Foo 2026"])
def test_a_date_that_is_none_is_ignored(
    clock_url: str, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """This machine's clock stays."""
    monkeypatch.setattr(Clock, "says", value)
    with GitLab.connect(settings_for(clock_url)) as client:
        client.me()

        assert abs(client.server_time() - datetime.now(UTC)) < timedelta(minutes=1)
