"""Projects and single files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tasks.gitlab.support import TOKEN, Answer, Hub, Scripted, settings_for
from workflows.core.errors import ParametersInvalid, RequestRefused, ResourceNotFound
from workflows.local.gitlab_server.server import GitLabServer
from workflows.servers.serving import serve_app
from workflows.tasks.gitlab import GitLab, MergeRequestFields, Project

if TYPE_CHECKING:
    from pathlib import Path


def test_a_project_is_found_by_id_path_and_address(hub: Hub) -> None:
    """In a group of a group; all of them give the same."""
    client, path = hub.connect(), hub.project.path
    address = f"{hub.lab.url}/{path}"

    found = client.project(hub.id)

    refs = [str(hub.id), path, f"{path}.git", address, f"{address}.git", f"{address}/-/issues/1"]
    assert [client.project(ref) for ref in refs] == [found] * len(refs)
    assert found == Project(
        id=hub.id,
        path=path,
        name=hub.project.name,
        web_url=address,
        clone_url=f"{address}.git",
        default_branch="main",
        archived=False,
        merge_requests_enabled=True,
        issues_enabled=True,
        visibility=hub.project.visibility,
        ci_config_path=None,
    )


@pytest.mark.parametrize(
    ("setting", "file"),
    [
        ("", None),
        ("ci/main.yml", "ci/main.yml"),
        ("/ci/main.yml", "ci/main.yml"),
        ("main.yml@acme/other", None),
        ("https://ci.example.com/main.yml", None),
    ],
)
def test_the_pipeline_file_is_named_where_it_is_of_this_repository(
    hub: Hub, setting: str, file: str | None
) -> None:
    hub.project.ci_config_path = setting

    assert hub.connect().project(hub.id).ci_config_path == file


def test_an_empty_repository_has_no_default_branch(hub: Hub) -> None:
    """None, so that nobody clones what is not there."""
    empty = hub.lab.create_project(f"{hub.project.path}-empty", files={})
    hub.lab.add_member(empty, hub.user("dave"), 30)

    assert hub.connect().project(empty.id).default_branch is None


def test_an_archived_project_says_so(hub: Hub) -> None:
    """Nothing can be pushed there."""
    hub.project.archived = True

    assert hub.connect().project(hub.id).archived is True


def test_what_is_switched_off_is_seen() -> None:
    """Merge requests and issues; a field that is missing is no reason to stop."""
    body = b'{"id":1,"path_with_namespace":"a/b","web_url":"https://x/a/b"%s}'
    off = b',"merge_requests_enabled":false,"issues_enabled":false,"default_branch":"main"'
    script = Scripted([Answer(body=body % off), Answer(body=body % b"")])
    with serve_app(script) as url, GitLab.connect(settings_for(url)) as client:
        one, other = client.project(1), client.project(1)

    assert (one.merge_requests_enabled, one.issues_enabled) == (False, False)
    assert (other.merge_requests_enabled, other.issues_enabled) == (True, True)


def test_the_clone_address_is_on_our_side_of_a_proxy() -> None:
    """GitLab names its own address, which may not be reached from here."""
    body = (
        b'{"id":1,"path_with_namespace":"a/b.c","web_url":"https://public/a/b.c",'
        b'"http_url_to_repo":"https://evil.example.com/a/b.c.git"}'
    )
    with (
        serve_app(Scripted([Answer(body=body)])) as url,
        GitLab.connect(settings_for(url)) as client,
    ):
        found = client.project("a/b.c")

    assert found.clone_url == f"{url}/a/b.c.git"


@pytest.mark.parametrize("by", ["stranger", "dave"])
def test_a_project_that_is_hidden_or_absent_is_not_found(hub: Hub, by: str) -> None:
    """GitLab does not tell the two apart."""
    path = hub.project.path if by == "stranger" else "acme/none"

    with pytest.raises(ResourceNotFound) as caught:
        hub.connect(by).project(path)

    assert "member" in caught.value.fix


def test_a_project_elsewhere_is_not_asked_for(hub: Hub) -> None:
    """It is refused before a request."""
    with pytest.raises(ParametersInvalid):
        hub.connect().project("https://gitlab.example.com/acme/shop")

    assert hub.asked("GET") == 0


def test_a_project_that_has_moved_is_found(hub: Hub) -> None:
    """GitLab redirects its old path to its id on the same host."""
    old = hub.project.path
    hub.lab.move_project(hub.project, f"{old}-moved")

    found = hub.connect().project(old)

    assert (found.id, found.path) == (hub.id, f"{old}-moved")


def test_a_project_that_has_moved_behind_a_proxy_is_a_clear_error(hub: Hub) -> None:
    """GitLab redirects to its own address, and the token is not sent there."""
    old = hub.project.path
    hub.lab.move_project(hub.project, f"{old}-moved")
    own, client = hub.lab.url, hub.connect()
    hub.lab.url = "https://gitlab.example.com"
    try:
        with pytest.raises(RequestRefused, match="elsewhere") as caught:
            client.project(old)
    finally:
        hub.lab.url = own

    assert "https://gitlab.example.com/api/v4/projects/" in caught.value.why


def test_all_of_it_works_below_a_sub_path(tmp_path: Path) -> None:
    """GITLAB_URL with a path, with and without a slash at its end."""
    lab = GitLabServer(tmp_path, sub_path="/git/lab")
    project = lab.create_project("acme/sub/shop")
    old = project.path
    token = lab.create_token(lab.admin, value=TOKEN)
    with lab.serve() as url, GitLab.connect(settings_for(f"{url}/", token)) as client:
        found = client.project(f"{url}/acme/sub/shop/-/tree/main")
        made = client.create_branch(found.id, "f/x", "main")
        wish = MergeRequestFields("f/x", "main", "T")
        merge_request, created = client.open_merge_request(found.id, wish)
        lab.move_project(project, "acme/moved")
        moved = client.project(old)

    assert found.clone_url == f"{url}/acme/sub/shop.git"
    assert (made, created) == (True, True)
    assert merge_request.web_url == f"{url}/acme/sub/shop/-/merge_requests/1"
    assert moved.path == "acme/moved"
