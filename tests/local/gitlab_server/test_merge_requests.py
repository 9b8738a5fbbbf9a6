"""Merge requests, and what of them happens in git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gitlab
import pytest

from tests.local.gitlab_server.support import git, write_commit

if TYPE_CHECKING:
    from tests.local.gitlab_server.support import Shop


def merge(shop: Shop, by: str = "mona", **json: Any) -> Any:
    return shop.ask("PUT", "./merge_requests/1/merge", by, json=json)


def main(shop: Shop) -> str | None:
    return shop.project.repository.resolve("main")


def test_a_new_one_is_computed_a_little_later(shop: Shop) -> None:
    """The POST says `checking` and no diff_refs; the GET has them."""
    made = shop.merge_request()
    found = shop.get("./merge_requests/1")

    assert (made["detailed_merge_status"], made["diff_refs"]) == ("checking", None)
    assert (made["changes_count"], made["prepared_at"]) == (None, None)
    assert (found["detailed_merge_status"], found["changes_count"]) == ("mergeable", "1")
    assert found["sha"] == found["diff_refs"]["head_sha"]
    assert found["diff_refs"]["base_sha"] == main(shop)


def test_computing_may_take_longer(shop: Shop) -> None:
    """As many reads as the state says."""
    shop.lab.unprepared_reads = 2
    try:
        shop.merge_request()
    finally:
        shop.lab.unprepared_reads = 0

    found = [shop.get("./merge_requests/1")["detailed_merge_status"] for _ in range(3)]

    assert found == ["checking", "checking", "mergeable"]


def test_a_second_one_for_the_same_branches_is_409(shop: Shop) -> None:
    """With the number of the first in an array; another target is free, and so is a closed one."""
    shop.merge_request()
    again = {"source_branch": "feature", "target_branch": "main", "title": "x"}
    shop.commit("other", {"o.txt": "o"})

    answer = shop.ask("POST", "./merge_requests", json=again)

    assert answer.status_code == 409
    assert answer.json() == {
        "message": ["Another open merge request already exists for this source branch: !1"]
    }
    shop.post("./merge_requests", **(again | {"target_branch": "other"}))
    shop.put("./merge_requests/1", state_event="close")
    assert shop.post("./merge_requests", **again)["iid"] == 3
    assert shop.ask("PUT", "./merge_requests/1", json={"state_event": "reopen"}).status_code == 409


@pytest.mark.parametrize(
    ("given", "by", "status", "answer"),
    [
        ({"source_branch": None}, "dave", 400, {"error": "source_branch is missing"}),
        ({"title": " "}, "dave", 400, {"message": {"title": ["can't be blank"]}}),
        (
            {"title": "x" * 256},
            "dave",
            400,
            {"message": {"title": ["is too long (maximum is 255 characters)"]}},
        ),
        (
            {"source_branch": "main"},
            "dave",
            422,
            {"message": ["You can't use same project/branch for source and target"]},
        ),
        ({}, "rita", 403, {"message": "403 Forbidden"}),
        ({"target_project_id": 98765}, "dave", 404, {"message": "404 Project Not Found"}),
    ],
)
def test_a_bad_one_is_refused(shop: Shop, given: Any, by: str, status: int, answer: Any) -> None:
    """409, 422 and 400 each for their reasons."""
    body = {"source_branch": "feature", "target_branch": "main", "title": "x"} | given

    found = shop.ask("POST", "./merge_requests", by, json=body)

    assert (found.status_code, found.json()) == (status, answer)
    assert not shop.project.merge_requests


def test_a_branch_that_is_not_there_shows_in_the_status(shop: Shop) -> None:
    """It is accepted, and can never be merged."""
    body = {"source_branch": "absent", "target_branch": "main", "title": "x"}
    shop.post("./merge_requests", **body)

    found = shop.get("./merge_requests/1")

    assert (found["detailed_merge_status"], found["sha"]) == ("commits_status", None)
    assert merge(shop).status_code == 405


@pytest.mark.parametrize("title", ["Draft: x", "[draft] x", "(DRAFT) x"])
def test_drafts_are_told_by_their_title(shop: Shop, title: str) -> None:
    """They cannot be merged until somebody says they are ready."""
    shop.merge_request(title=title)

    found = shop.get("./merge_requests/1")

    assert (found["draft"], found["detailed_merge_status"]) == (True, "draft_status")
    assert merge(shop).json() == {"message": "405 Method Not Allowed"}
    shop.ask("POST", "./merge_requests/1/notes", json={"body": "/ready"})
    assert shop.get("./merge_requests/1")["title"] == "x"
    assert len(shop.get("./merge_requests?wip=no")) == 1


def test_merging_happens_in_git_and_closes_issues(shop: Shop) -> None:
    """A merge commit with two parents; `Closes #n`, commits and the branch name count."""
    for number in range(4):
        shop.post("./issues", title=f"Issue {number + 1}")
    shop.commit("3-work", {"a.txt": "a\n"}, commit_message="Fixes #2")
    shop.merge_request("3-work", description="Closes #1", remove_source_branch=True)
    before, head = main(shop), shop.project.repository.resolve("3-work")
    closing = shop.get("./merge_requests/1/closes_issues")

    found = merge(shop, sha=head).json()

    assert (found["state"], found["merge_user"]["username"]) == ("merged", "mona")
    commit = shop.project.repository.commit(found["merge_commit_sha"])
    assert commit.parents == (before, head)
    assert main(shop) == commit.id
    assert "See merge request" in commit.message
    assert [issue["iid"] for issue in closing] == [1, 2, 3]
    states = [shop.get(f"./issues/{n}")["state"] for n in (1, 2, 3, 4)]
    assert states == ["closed", "closed", "closed", "opened"]
    assert shop.project.repository.resolve("3-work") is None
    assert [one["iid"] for one in shop.get("./issues/1/closed_by")] == [1]


def test_merged_elsewhere_closes_nothing(shop: Shop) -> None:
    """Only the default branch counts."""
    shop.post("./issues", title="Bug")
    shop.commit("develop", {"d.txt": "d"})
    shop.commit("feature", {"f.txt": "f"})
    shop.merge_request(target_branch="develop", description="Closes #1")

    assert merge(shop).json()["state"] == "merged"
    assert shop.get("./issues/1")["state"] == "opened"


def test_squash_makes_one_commit(shop: Shop) -> None:
    """On top of the target, in the author's name."""
    shop.commit("feature", {"a.txt": "a"})
    shop.commit("feature", {"b.txt": "b"})
    shop.merge_request(squash=True, title="Both")

    found = merge(shop).json()

    squashed = shop.project.repository.commit(found["squash_commit_sha"])
    assert (squashed.title, len(squashed.parents)) == ("Both", 1)
    assert shop.project.repository.entry(main(shop) or "", "b.txt")


def test_fast_forward_needs_a_rebase_first(shop: Shop) -> None:
    """422 until rebased; then the branch itself arrives."""
    shop.project.merge_method = "ff"
    shop.merge_request()
    shop.commit("main", {"new.txt": "new"})

    assert shop.get("./merge_requests/1")["detailed_merge_status"] == "need_rebase"
    refused = merge(shop)
    assert (refused.status_code, refused.json()) == (422, {"message": "Branch cannot be merged"})
    answer = shop.ask("PUT", "./merge_requests/1/rebase", "dave")
    assert (answer.status_code, answer.json()) == (202, {"rebase_in_progress": True})
    found = shop.get("./merge_requests/1?include_rebase_in_progress=true")
    assert (found["rebase_in_progress"], found["merge_error"]) == (False, None)
    assert merge(shop).json()["merge_commit_sha"] is None
    assert main(shop) == found["sha"]


def test_a_conflict_cannot_be_merged(shop: Shop) -> None:
    """422, has_conflicts, and a rebase that ends in merge_error."""
    shop.commit("feature", {"README.md": "theirs"})
    shop.commit("main", {"README.md": "ours"})
    shop.merge_request()

    found = shop.get("./merge_requests/1")

    assert (found["detailed_merge_status"], found["has_conflicts"]) == ("conflict", True)
    assert merge(shop).status_code == 422
    assert shop.ask("PUT", "./merge_requests/1/rebase", "dave").status_code == 202
    assert "Rebase failed" in shop.get("./merge_requests/1")["merge_error"]


def test_merging_is_refused_in_order(shop: Shop) -> None:
    """401 before 405 before 409."""
    shop.merge_request(title="Draft: x")

    assert merge(shop, "dave", sha="0" * 40).status_code == 401
    assert merge(shop, sha="0" * 40).status_code == 405
    shop.put("./merge_requests/1", title="x")
    wrong = merge(shop, sha="0" * 40)
    assert wrong.status_code == 409
    assert wrong.json()["message"].startswith("SHA does not match HEAD of source branch")
    assert merge(shop).status_code == 200
    assert merge(shop).status_code == 405


def test_a_pipeline_and_threads_can_be_demanded(shop: Shop) -> None:
    """By the project's settings; each has its status, both are 405."""
    shop.merge_request()
    head = shop.get("./merge_requests/1")["sha"]
    shop.project.only_allow_merge_if_pipeline_succeeds = True
    shop.post(f"./statuses/{head}", state="failed", name="ci", ref="feature")

    assert shop.get("./merge_requests/1")["detailed_merge_status"] == "ci_must_pass"
    assert merge(shop).status_code == 405
    shop.post(f"./statuses/{head}", state="success", name="ci", ref="feature")
    shop.project.only_allow_merge_if_all_discussions_are_resolved = True
    thread = shop.post("./merge_requests/1/discussions", body="Why?")
    found = shop.get("./merge_requests/1")
    assert found["detailed_merge_status"] == "discussions_not_resolved"
    assert not found["blocking_discussions_resolved"]
    resolved = shop.put(f"./merge_requests/1/discussions/{thread['id']}", resolved=True)
    assert resolved["notes"][0]["resolved_by"]["username"] == "mona"
    assert shop.get("./merge_requests/1")["detailed_merge_status"] == "mergeable"


def test_auto_merge_waits_for_the_pipeline(shop: Shop) -> None:
    """And merges by itself when it succeeds."""
    shop.project.only_allow_merge_if_pipeline_succeeds = True
    shop.merge_request()
    head = shop.get("./merge_requests/1")["sha"]
    shop.post(f"./statuses/{head}", state="running", ref="feature")

    waiting = merge(shop, auto_merge=True).json()
    shop.post(f"./statuses/{head}", state="success", ref="feature")

    assert (waiting["state"], waiting["merge_when_pipeline_succeeds"]) == ("opened", True)
    assert shop.get("./merge_requests/1")["state"] == "merged"


def test_a_push_makes_a_new_version(shop: Shop) -> None:
    """Head, commits and diffs follow the branch; a system note says so."""
    shop.merge_request()
    clone = shop.clone()
    git("checkout", "-q", "feature", cwd=clone)
    write_commit(clone, "more.txt")
    git("push", "-q", "origin", "feature", cwd=clone)

    found = shop.get("./merge_requests/1")
    titles = [one["title"] for one in shop.get("./merge_requests/1/commits")]
    diffs = shop.get("./merge_requests/1/diffs")

    assert found["sha"] == git("rev-parse", "HEAD", cwd=clone).stdout.strip()
    assert len(titles) == 2
    assert [one["new_path"] for one in diffs] == ["feature.txt", "more.txt"]
    assert diffs[1]["diff"] == "@@ -0,0 +1 @@\n+text\n"
    assert [n["body"] for n in shop.get("./merge_requests/1/notes")] == ["added 1 commit"]


def test_pushing_the_branch_to_the_target_merges_it(shop: Shop) -> None:
    """GitLab notices that the commits have arrived."""
    shop.merge_request()
    clone = shop.clone("mona")
    git("merge", "-q", "origin/feature", cwd=clone)
    git("push", "-q", "origin", "main", cwd=clone)

    assert shop.get("./merge_requests/1")["state"] == "merged"


def test_lists_are_filtered(shop: Shop) -> None:
    """By branches, state, labels and numbers."""
    shop.merge_request("one", labels="a")
    shop.merge_request("two", reviewer_ids=[shop.user("rita").id])
    shop.put("./merge_requests/1", state_event="close")

    def iids(query: str) -> list[int]:
        return [one["iid"] for one in shop.get(f"./merge_requests?{query}")]

    assert iids("state=opened") == [2]
    assert iids("source_branch=one&target_branch=main") == [1]
    assert iids("source_branch=one&state=opened") == []
    assert iids("labels=a") == [1]
    assert iids("reviewer_username=rita") == [2]
    assert iids("iids[]=2") == [2]
    assert shop.ask("GET", "./merge_requests?state=odd").status_code == 400


def test_an_update_changes_what_it_names(shop: Shop) -> None:
    """Labels beside each other, reviewers, squash; nothing is 400, others' is 403."""
    shop.merge_request(labels="a")

    found = shop.put(
        "./merge_requests/1",
        add_labels="b",
        reviewer_ids=[shop.user("rita").id],
        squash=True,
        remove_source_branch=True,
    )

    assert (found["labels"], found["squash"]) == (["a", "b"], True)
    assert found["force_remove_source_branch"] is True
    assert [one["username"] for one in found["reviewers"]] == ["rita"]
    assert shop.ask("PUT", "./merge_requests/1", json={}).status_code == 400
    assert shop.ask("PUT", "./merge_requests/1", "rita", json={"title": "x"}).status_code == 403


def test_the_branch_of_an_issue_brings_its_labels(shop: Shop) -> None:
    """And leaves a system note in the issue."""
    shop.post("./issues", title="Bug", labels="bug")

    made = shop.merge_request("1-bug")

    assert made["labels"] == ["bug"]
    notes = shop.get("./issues/1/notes")
    assert [(n["system"], n["body"]) for n in notes] == [(True, "mentioned in merge request !1")]


def test_a_comment_can_stand_at_a_line(shop: Shop) -> None:
    """With a position; a position that says nothing is 400."""
    shop.merge_request()
    refs = shop.get("./merge_requests/1")["diff_refs"]
    position = refs | {"position_type": "text", "new_path": "feature.txt", "new_line": 1}

    made = shop.post("./merge_requests/1/discussions", body="Hm", position=position)

    assert made["notes"][0]["type"] == "DiffNote"
    given = {"body": "Hm", "position": {"position_type": "text"}}
    assert shop.ask("POST", "./merge_requests/1/discussions", json=given).status_code == 400


def test_python_gitlab_does_the_whole_of_it(shop: Shop) -> None:
    """Create, comment, approve the plan, merge: with another client."""
    shop.commit("feature", {"f.txt": "f"})
    project = shop.client("mona")

    request = project.mergerequests.create(
        {"source_branch": "feature", "target_branch": "main", "title": "T"}
    )
    request.notes.create({"body": "Looks good"})
    with pytest.raises(gitlab.exceptions.GitlabCreateError) as caught:
        project.mergerequests.create(
            {"source_branch": "feature", "target_branch": "main", "title": "T"}
        )
    request.merge(sha=project.mergerequests.get(1).sha)

    assert caught.value.response_code == 409
    assert project.mergerequests.get(1).state == "merged"
