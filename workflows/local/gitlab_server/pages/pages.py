"""Small pages for a person: projects, issues with comments, merge requests with their diff.

Who looks is `GitLab.person`: there is no login, so only this machine may ask, by our own name
(no other site's name that leads here), and only our own forms may change anything.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from workflows.local.gitlab_server.actions import comments, editing
from workflows.local.gitlab_server.api import issues, merge_requests
from workflows.local.gitlab_server.git import merging
from workflows.local.gitlab_server.http.answers import GitLabApiError
from workflows.local.gitlab_server.pages.markup import (
    Html,
    diff_html,
    html_page,
    join,
    link,
    tag,
    without_html_comments,
)
from workflows.local.gitlab_server.state.model import GUEST, REPORTER, Issue, MergeRequest

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from workflows.local.gitlab_server.state.gitlab_state import GitLabState
    from workflows.local.gitlab_server.state.model import Label, Note, Noteable, Project, User

_PLACE = re.compile(
    r"/(?P<path>.+?)(?:/-/(?P<kind>issues|work_items|merge_requests)(?:/(?P<iid>\d{1,9}))?"
    r"(?:/diffs)?)?/?"
)
_OWN_NAMES = {"127.0.0.1", "localhost"}
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"
_HEADERS = {
    "Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Pages:
    """Answers whatever is neither API nor git (ASGI)."""

    def __init__(self, lab: GitLabState) -> None:
        self._lab = lab

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        form = parse_qs((await request.body()).decode(errors="replace"))
        fields = {name: values[0].replace("\r\n", "\n") for name, values in form.items()}
        answer = await run_in_threadpool(self._answer, request, scope["raw_page_path"], fields)
        answer.headers.update(_HEADERS)
        await answer(scope, receive, send)

    def _answer(self, request: Request, raw: str, form: dict[str, str]) -> Response:
        host = request.headers.get("host", "")
        if urlsplit(f"//{host}").hostname not in _OWN_NAMES:
            return self._trouble(403, "This host name is not allowed.")
        if request.method not in {"GET", "HEAD", "POST"}:
            return self._trouble(405, "This method is not allowed.")
        if request.method == "POST" and request.headers.get("origin") != f"http://{host}":
            return self._trouble(403, "The form is of another site.")
        with self._lab.lock:
            try:
                if raw == "/":
                    return self._page("Projects", self._projects(self._lab.person))
                return self._show(raw, form if request.method == "POST" else None)
            except GitLabApiError as error:
                return self._trouble(error.status, str(error.body.get("message", error.body)))

    def _show(self, raw: str, form: dict[str, str] | None) -> Response:
        person = self._lab.person
        match = _PLACE.fullmatch(unquote(raw))
        project = self._lab.find_project(match["path"]) if match and "/" in match["path"] else None
        if match is None or project is None or not self._lab.visible(project, person):
            return self._trouble(404, "There is no such page.")
        if match["iid"] is None:
            requests = match["kind"] == "merge_requests"
            content = self._requests if requests else self._issues
            return self._page(project.path, content(project, person), project)
        one = self._find(project, match["kind"], int(match["iid"]), person)
        if one is None:
            return self._trouble(404, "There is no such page.")
        if form is None:
            return self._page(one.title, self._noteable(one, person), project)
        self._write(one, person, form)
        return RedirectResponse(self._url(one), 303)

    def _find(self, project: Project, kind: str, iid: int, person: User | None) -> Noteable | None:
        if kind == "merge_requests":
            one = project.merge_requests.get(iid)
            return one if self._sees_code(project, person) else None
        issue = project.issues.get(iid)
        return issue if issue and issues.may_see_issue(self._lab, issue, person) else None

    def _sees_code(self, project: Project, person: User | None) -> bool:
        level = self._lab.level(project, person)
        return project.visibility != "private" or level >= REPORTER

    # --- what a form does --------------------------------------------------------------------

    def _write(self, one: Noteable, person: User | None, form: dict[str, str]) -> None:
        level = self._lab.level(one.project, person)
        if person is None or (level < GUEST and one.project.visibility == "private"):
            raise GitLabApiError(403, {"message": "You may not write here."})
        if form.get("body", "").strip():
            comments.write_comment(self._lab, one, person, form["body"])
        fields = _fields_of_form(form)
        if fields and not editing.may_edit(self._lab, one, person):
            raise GitLabApiError(403, {"message": "You may not change this."})
        editing.edit(self._lab, one, person, fields)

    # --- what is shown -----------------------------------------------------------------------

    def _page(self, title: str, content: Html, project: Project | None = None) -> Response:
        base = urlsplit(self._lab.url).path
        navigation = [link("Projects", f"{base}/")]
        if project:
            place = f"{base}/{quote(project.path)}/-"
            navigation.append(link("Issues", f"{place}/issues"))
            navigation.append(link("Merge requests", f"{place}/merge_requests"))
        who = f"as {self._lab.person.username}" if self._lab.person else "not signed in"
        navigation.append(tag("span", who))
        return HTMLResponse(html_page(title, navigation, content))

    def _trouble(self, status: int, text: str) -> Response:
        return HTMLResponse(html_page(str(status), [], tag("p", text)), status)

    def _url(self, one: Noteable) -> str:
        kind = "issues" if isinstance(one, Issue) else "merge_requests"
        base = urlsplit(self._lab.url).path
        return f"{base}/{quote(one.project.path)}/-/{kind}/{one.iid}"

    def _projects(self, person: User | None) -> Html:
        base = urlsplit(self._lab.url).path
        shown = [p for p in self._lab.projects.values() if self._lab.visible(p, person)]
        rows = (
            tag(
                "tr",
                tag("td", link(project.path, f"{base}/{quote(project.path)}")),
                tag("td", project.visibility, class_="quiet"),
                tag("td", f"{_open(project.issues.values())} open issues"),
                tag("td", f"{_open(project.merge_requests.values())} open merge requests"),
            )
            for project in shown
        )
        return tag("table", *rows) if shown else tag("p", "There is no project that you may see.")

    def _issues(self, project: Project, person: User | None) -> Html:
        found = [i for i in project.issues.values() if issues.may_see_issue(self._lab, i, person)]
        return join([tag("h2", "Issues"), self._list(found, "#")])

    def _requests(self, project: Project, person: User | None) -> Html:
        found = list(project.merge_requests.values()) if self._sees_code(project, person) else []
        return join([tag("h2", "Merge requests"), self._list(found, "!")])

    def _list(self, found: list[Issue] | list[MergeRequest], sign: str) -> Html:
        rows = (
            tag(
                "tr",
                tag("td", f"{sign}{one.iid}", class_="quiet"),
                tag("td", link(one.title, self._url(one)), *map(_label, one.labels)),
                tag("td", _state(one)),
                tag("td", one.author.username, class_="quiet"),
            )
            for one in reversed(found)
        )
        return tag("table", *rows) if found else tag("p", "There are none yet.")

    def _noteable(self, one: Noteable, person: User | None) -> Html:
        about = f" by {one.author.username}, {one.created_at:%Y-%m-%d %H:%M}"
        parts = [
            tag("p", _state(one), *map(_label, one.labels), tag("span", about, class_="quiet")),
            tag(
                "div",
                without_html_comments(one.description or "") or "(no description)",
                class_="box text",
            ),
        ]
        if isinstance(one, MergeRequest):
            parts.append(_branches(one))
        hidden = self._lab.level(one.project, person) < REPORTER
        parts += [
            _note(note)
            for note in one.notes
            if not note.internal or not hidden or note.author is person
        ]
        if person:
            parts.append(_form(one))
        if isinstance(one, MergeRequest):
            parts.append(_diffs(one))
        return join(parts)


def _fields_of_form(form: dict[str, str]) -> dict[str, object]:
    """What a form changes, as `editing.edit` takes it."""
    fields: dict[str, object] = {}
    if "labels" in form or form.get("action") == "labels":
        words = (word.strip() for word in form.get("labels", "").split(","))
        fields["labels"] = [word for word in words if word]
    if form.get("action") in {"close", "reopen"}:
        fields["state_event"] = form["action"]
    return fields


def _note(note: Note) -> Html:
    when = f"{note.author.username}, {note.created_at:%Y-%m-%d %H:%M}"
    if note.system:
        return tag("p", f"{when}: {note.body}", class_="quiet")
    text = tag("div", without_html_comments(note.body), class_="text")
    return tag("div", tag("div", when, class_="quiet"), text, class_="box", id=f"note_{note.id}")


def _open(things: object) -> int:
    return sum(one.state == "opened" for one in things)  # type: ignore[attr-defined]


def _state(one: Noteable) -> Html:
    return tag("span", one.state, class_=f"state {one.state}")


def _label(one: Label) -> Html:
    color = one.color if _COLOR.fullmatch(one.color) else "#666"
    return tag("span", one.name, class_="label", style=f"background:{color}")


def _branches(one: MergeRequest) -> Html:
    status = merging.detailed_status(one).replace("_", " ")
    text = f"{one.source_branch} into {one.target_branch}: {status}"
    commit = one.head_sha[:8] if one.head_sha else "no commit"
    return tag("p", tag("strong", text), tag("span", f" at {commit}", class_="quiet"))


def _form(one: Noteable) -> Html:
    names = ", ".join(sorted(label.name for label in one.labels))
    change = "close" if one.state == "opened" else "reopen"
    write = tag(
        "form",
        Html('<textarea name="body" rows="4" aria-label="Comment"></textarea>'),
        tag("button", "Comment"),
        tag("button", change.capitalize(), name="action", value=change),
        method="post",
    )
    field = f'<input type="text" name="labels" aria-label="Labels" value="{escape(names)}">'
    labels = tag(
        "form",
        Html(field),
        tag("button", "Set labels", name="action", value="labels"),
        method="post",
    )
    return tag("div", write, labels, class_="box")


def _diffs(one: MergeRequest) -> Html:
    parts = [tag("h2", "Changes")]
    for each in merge_requests.merge_request_diffs(one):
        moved = f"{each.old_path} → " if each.old_path != each.new_path else ""
        parts.append(tag("div", f"{moved}{each.new_path}", class_="file"))
        parts.append(diff_html(each.text))
    return join(parts)
