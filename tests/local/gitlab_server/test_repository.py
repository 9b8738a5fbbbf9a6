"""Branches, commits, files, trees; and git over HTTP with the same roles."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gitlab
import pytest

from tests.local.gitlab_server.support import git, write_commit

if TYPE_CHECKING:
    from tests.local.gitlab_server.support import Shop


def commits(shop: Shop, by: str = "dave", **body: Any) -> Any:
    given = {"branch": "new", "commit_message": "m", "start_branch": "main"} | body
    return shop.ask("POST", "./repository/commits", by, json=given)


def test_a_branch_is_created_found_and_deleted(shop: Shop) -> None:
    """With the fields that clients read."""
    made = shop.post("./repository/branches", "dave", branch="a/b", ref="main")

    assert (made["name"], made["default"], made["protected"]) == ("a/b", False, False)
    assert shop.get("./repository/branches/a%2Fb")["commit"]["id"] == made["commit"]["id"]
    assert shop.get("./repository/branches/main", "dave")["can_push"] is False
    assert [b["name"] for b in shop.get("./repository/branches?search=^a/")] == ["a/b"]
    assert [b["name"] for b in shop.get("./repository/branches?search=ain$")] == ["main"]
    assert shop.ask("DELETE", "./repository/branches/a%2Fb", "dave").status_code == 204
    gone = shop.ask("GET", "./repository/branches/a%2Fb")
    assert (gone.status_code, gone.json()) == (404, {"message": "404 Branch Not Found"})
    assert shop.ask("DELETE", "./repository/branches/a%2Fb").status_code == 404
    assert shop.ask("DELETE", "./repository/branches/main").status_code == 405


@pytest.mark.parametrize(
    ("branch", "ref", "message"),
    [
        ("main", "main", "Branch already exists"),
        ("x", "absent", "Invalid reference name: absent"),
        ("x", "-x", "Invalid reference name: -x"),
        ("a b", "main", "Branch name is invalid"),
        ("-a", "main", "Branch name is invalid"),
        ("0" * 40, "main", "Branch name is invalid"),
        ("0" * 40 + "-x", "main", "Branch name is invalid"),
        ("main/x", "main", "Failed to create branch 'main/x': directory file conflict"),
    ],
)
def test_a_bad_branch_is_400(shop: Shop, branch: str, ref: str, message: str) -> None:
    """In GitLab's words where they are known."""
    given = {"branch": branch, "ref": ref}
    answer = shop.ask("POST", "./repository/branches", json=given)

    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_a_protected_name_is_for_maintainers(shop: Shop) -> None:
    """Creating and deleting."""
    shop.lab.protect(shop.project, "release/*")
    given = {"branch": "release/1", "ref": "main"}

    assert shop.ask("POST", "./repository/branches", "dave", json=given).status_code == 403
    assert shop.ask("POST", "./repository/branches", "mona", json=given).status_code == 201
    assert shop.ask("DELETE", "./repository/branches/release%2F1", "mona").status_code == 403


def test_a_commit_of_every_action(shop: Shop) -> None:
    """Create, update, move, delete and chmod, bytes kept as they are."""
    shop.commit("new", {"old.txt": "old", "gone.txt": "x", "run.sh": "x"})
    raw = bytes(range(256))
    actions = [
        {
            "action": "create",
            "file_path": "b.bin",
            "content": base64.b64encode(raw).decode(),
            "encoding": "base64",
        },
        {"action": "update", "file_path": "README.md", "content": "new\r\n"},
        {"action": "move", "file_path": "dir/moved.txt", "previous_path": "old.txt"},
        {"action": "delete", "file_path": "gone.txt"},
        {"action": "chmod", "file_path": "run.sh", "execute_filemode": True},
    ]

    made = commits(shop, actions=actions, start_branch=None, author_name="Ann")

    assert made.status_code == 201, made.text
    assert (made.json()["author_name"], made.json()["committer_name"]) == ("Ann", "Dave")
    tree = {e["path"]: e["mode"] for e in shop.get("./repository/tree?ref=new&recursive=true")}
    assert tree == {
        "README.md": "100644",
        "b.bin": "100644",
        "dir": "040000",
        "dir/moved.txt": "100644",
        "run.sh": "100755",
    }
    assert shop.ask("GET", "./repository/files/b.bin/raw?ref=new").content == raw


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"action": "create", "file_path": "README.md"}, "A file with this name already exists"),
        ({"action": "update", "file_path": "no"}, "A file with this name doesn't exist"),
        ({"action": "create", "file_path": "../x"}, "Invalid path"),
        ({"action": "create", "file_path": ".git/config"}, "Invalid path"),
        (
            {"action": "create", "file_path": "x", "content": "*", "encoding": "base64"},
            "content is not valid base64",
        ),
    ],
)
def test_one_bad_action_spoils_the_commit(shop: Shop, action: Any, message: str) -> None:
    """400, and nothing is committed."""
    fine = {"action": "create", "file_path": "fine.txt", "content": "x"}

    answer = commits(shop, actions=[fine, action])

    assert (answer.status_code, answer.json()) == (400, {"message": message})
    assert shop.project.repository.resolve("new") is None


def test_a_commit_needs_the_right_to_push(shop: Shop) -> None:
    """403 on a protected branch and for Reporters; an existing branch cannot be started again."""
    actions = [{"action": "create", "file_path": "x", "content": "x"}]

    assert commits(shop, "rita", actions=actions).status_code == 403
    protected = commits(shop, branch="main", start_branch=None, actions=actions)
    assert protected.status_code == 403
    assert commits(shop, actions=actions).status_code == 201
    assert commits(shop, actions=actions).status_code == 400


def test_files_are_read_and_written(shop: Shop) -> None:
    """JSON with base64, headers for HEAD, and an outdated last_commit_id is refused."""
    path = "./repository/files/dir%2Fa%2Eb.txt"
    given = {"branch": "main", "commit_message": "m", "content": "text"}
    assert shop.ask("POST", path, json=given).status_code == 201
    assert shop.ask("POST", path, json=given).status_code == 400

    found = shop.get(f"{path}?ref=main")
    head = shop.ask("HEAD", f"{path}?ref=main")

    assert base64.b64decode(found["content"]) == b"text"
    assert (found["file_name"], found["size"]) == ("a.b.txt", 4)
    assert head.headers["X-Gitlab-Blob-Id"] == found["blob_id"]
    assert head.headers["X-Gitlab-Execute-Filemode"] == "false"
    first = found["last_commit_id"]
    change = given | {"content": "new", "last_commit_id": first}
    assert shop.ask("PUT", path, json=change).status_code == 200
    assert shop.ask("PUT", path, json=change).status_code == 400
    gone = {"branch": "main", "commit_message": "m"}
    assert shop.ask("DELETE", path, json=gone).status_code == 204
    missing = shop.ask("GET", f"{path}?ref=main")
    assert (missing.status_code, missing.json()) == (404, {"message": "404 File Not Found"})
    assert shop.ask("GET", path).json() == {"error": "ref is missing"}
    assert shop.ask("GET", f"{path}?ref=no").json() == {"message": "404 Commit Not Found"}


def test_commits_are_listed_with_their_details(shop: Shop) -> None:
    """Stats, trailers, refs, merge requests, diff; newest first."""
    made = shop.commit("feature", {"a.txt": "1\n2\n"}, commit_message="T\n\nBody\n\nKey: value")
    shop.merge_request()
    sha = made["id"]

    found = shop.get(f"./repository/commits/{sha}")

    assert found["stats"] == {"additions": 2, "deletions": 0, "total": 2}
    assert (found["title"], found["trailers"]) == ("T", {"Key": "value"})
    assert found["short_id"] == sha[:8]
    assert [c["id"] for c in shop.get("./repository/commits?ref_name=feature&path=a.txt")] == [sha]
    assert shop.get("./repository/commits?since=2999-01-01") == []
    assert shop.get(f"./repository/commits/{sha}/refs") == [{"type": "branch", "name": "feature"}]
    assert [m["iid"] for m in shop.get(f"./repository/commits/{sha}/merge_requests")] == [1]
    assert shop.get(f"./repository/commits/{sha}/diff")[0]["new_file"]
    assert shop.ask("GET", "./repository/commits/no").json() == {"message": "404 Commit Not Found"}


def test_branches_are_compared_from_where_they_parted(shop: Shop) -> None:
    """Three dots by default, two with `straight`."""
    shop.commit("feature", {"f.txt": "f"})
    shop.commit("main", {"m.txt": "m"})

    dots = shop.get("./repository/compare?from=main&to=feature")
    straight = shop.get("./repository/compare?from=main&to=feature&straight=true")

    assert [d["new_path"] for d in dots["diffs"]] == ["f.txt"]
    assert sorted(d["new_path"] for d in straight["diffs"]) == ["f.txt", "m.txt"]
    assert len(dots["commits"]) == 1
    assert shop.ask("GET", "./repository/compare?from=main&to=no").status_code == 404
    assert shop.get("./repository/compare?from=main&to=main")["compare_same_ref"]


def test_the_tree_goes_by_pages_of_both_kinds(shop: Shop) -> None:
    """A missing path is 404."""
    shop.commit("feature", {f"d/{n}.txt": "x" for n in range(5)})
    client = shop.client()

    names = [
        entry["name"]
        for entry in client.repository_tree(
            "d", ref="feature", iterator=True, per_page=2, pagination="keyset"
        )
    ]

    assert names == [f"{n}.txt" for n in range(5)]
    assert shop.ask("GET", "./repository/tree?path=no").status_code == 404


# --- git over HTTP ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "fetch", "push"),
    [
        ("mona", 200, 200),
        ("dave", 200, 200),
        ("rita", 200, 403),
        ("gus", 403, 403),
        ("stranger", 404, 404),
    ],
)
def test_git_knows_the_same_roles(shop: Shop, by: str, fetch: int, push: int) -> None:
    """As the API does."""
    url = f"{shop.lab.url}/{shop.project.path}.git/info/refs?service="
    auth = ("oauth2", shop.tokens[by])

    found = [
        shop.http.get(f"{url}{service}", auth=auth).status_code
        for service in ("git-upload-pack", "git-receive-pack")
    ]

    assert found == [fetch, push]
    assert shop.http.get(f"{url}git-upload-pack").status_code == 401


@pytest.mark.parametrize(
    ("scope", "fetch", "push"),
    [("read_repository", 200, 403), ("write_repository", 200, 200), ("read_user", 403, 403)],
)
def test_git_knows_the_scopes(shop: Shop, scope: str, fetch: int, push: int) -> None:
    """Pushing needs api or write_repository."""
    token = shop.lab.create_token(shop.user("dave"), [scope])
    url = f"{shop.lab.url}/{shop.project.path}.git/info/refs?service="

    found = [
        shop.http.get(f"{url}{service}", auth=("x", token)).status_code
        for service in ("git-upload-pack", "git-receive-pack")
    ]

    assert found == [fetch, push]


def test_a_push_obeys_protection_and_shows_in_the_api(shop: Shop) -> None:
    """A Developer pushes a branch, not `main`."""
    clone = shop.clone("dave")
    write_commit(clone, "new.txt", "Closes #1")

    refused = git("push", "origin", "main", cwd=clone, check=False)
    git("push", "-q", "origin", "main:refs/heads/topic", cwd=clone)

    assert "You are not allowed to push code to protected branches" in refused.stderr
    assert shop.get("./repository/branches/topic")["commit"]["title"] == "Closes #1"


def test_a_push_to_the_default_branch_closes_issues(shop: Shop) -> None:
    """When git push returns, it has happened."""
    shop.post("./issues", title="Bug")
    clone = shop.clone("mona")
    write_commit(clone, "new.txt", "Fix it\n\nCloses #1")

    git("push", "-q", "origin", "main", cwd=clone)

    assert shop.get("./issues/1")["state"] == "closed"


def test_an_archived_project_takes_no_push(shop: Shop) -> None:
    """By git or by the API; reading is fine."""
    shop.project.archived = True
    url = f"{shop.lab.url}/{shop.project.path}.git/info/refs?service=git-receive-pack"

    assert shop.http.get(url, auth=("x", shop.tokens["mona"])).status_code == 403
    actions = [{"action": "create", "file_path": "x", "content": "x"}]
    assert commits(shop, actions=actions).status_code == 403
    assert shop.ask("POST", "./issues", json={"title": "x"}).status_code == 403
    assert shop.get(".")["archived"]


def test_an_empty_project_says_so(shop: Shop) -> None:
    """Without a commit there is no default branch, and the first commit makes it."""
    project = shop.lab.create_project(f"acme/empty-{shop.project.id}", files={})
    shop.lab.add_member(project, shop.user("mona"), 40)
    path = f"/projects/{quote(project.path, safe='')}"

    assert (shop.get(path)["empty_repo"], shop.get(path)["default_branch"]) == (True, None)
    assert shop.get(f"{path}/repository/branches") == []
    assert shop.get(f"{path}/repository/commits") == []
    actions = [{"action": "create", "file_path": "x", "content": "x"}]
    shop.post(f"{path}/repository/commits", branch="main", commit_message="m", actions=actions)
    assert shop.get(path)["default_branch"] == "main"


def test_python_gitlab_reads_and_writes_files(shop: Shop) -> None:
    """The other client's idea of files and errors."""
    project = shop.client("mona")

    project.files.create(
        {"file_path": "a/b.txt", "branch": "main", "content": "x", "commit_message": "m"}
    )

    assert project.files.get("a/b.txt", ref="main").decode() == b"x"
    assert project.files.raw("a/b.txt", ref="main") == b"x"
    with pytest.raises(gitlab.exceptions.GitlabGetError) as caught:
        project.files.get("no", ref="main")
    assert caught.value.error_message == "404 File Not Found"
