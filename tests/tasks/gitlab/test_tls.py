"""GitLab over https with a certificate authority of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests import certificates
from tests.tasks.gitlab.support import TOKEN, settings_for
from workflows.core.errors import PermanentError
from workflows.local.gitlab_server.server import GitLabServer
from workflows.tasks.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Secure:
    """A GitLab on https, and the file of who signed its certificate."""

    lab: GitLabServer
    url: str
    authority: str
    other_authority: str


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder: Path = tmp_path_factory.mktemp("tls")
    tls = certificates.write(folder)
    lab = GitLabServer(folder / "gitlab")
    lab.create_token(lab.admin, value=TOKEN)
    with lab.serve(tls=tls) as url:
        yield Secure(lab, url, str(folder / "ca.pem"), str(folder / "other.pem"))


def test_an_authority_of_its_own_is_trusted_by_name(secure: Secure) -> None:
    """GIT_SSL_CAINFO, as for git."""
    settings = settings_for(secure.url, git_ca_file=secure.authority)

    with GitLab.connect(settings) as client:
        me = client.me()

    assert secure.url.startswith("https://")
    assert (me.username, me.web_url) == ("root", f"{secure.url}/root")


@pytest.mark.parametrize("trusted", ["nobody", "another"])
def test_an_unknown_authority_gets_no_request(secure: Secure, trusted: str) -> None:
    """No retry helps, and the error says which variable does."""
    secure.lab.requests.clear()
    waits_s: list[float] = []
    authority = secure.other_authority if trusted == "another" else None
    settings = settings_for(secure.url, git_ca_file=authority)

    with (
        GitLab.connect(settings, sleep=waits_s.append) as client,
        pytest.raises(PermanentError, match="not trusted") as caught,
    ):
        client.me()

    assert "GIT_SSL_CAINFO" in caught.value.fix
    assert (secure.lab.requests, waits_s) == ([], [])
