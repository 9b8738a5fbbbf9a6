"""Builds HTML: plain text is escaped, `Html` is not. The pages use no JavaScript."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#24292f;background:#fff}
header{background:#292961;color:#fff;padding:.6rem 1.5rem}
header a{color:#fff;margin-right:1rem;text-decoration:none;font-weight:600}
main{max-width:980px;margin:1.2rem auto;padding:0 1rem}
a{color:#1f5fa8}
table{border-collapse:collapse;width:100%}
td{padding:.45rem .4rem;border-top:1px solid #ddd;vertical-align:top}
.label,.state{border-radius:1rem;padding:.1rem .6rem;font-size:.8rem;color:#fff;margin-left:.3rem}
.opened{background:#108548}.closed{background:#a3271b}.merged{background:#1f75cb}
.quiet{color:#666;font-size:.9rem}
.box{border:1px solid #ddd;border-radius:6px;margin:.8rem 0;padding:.6rem .9rem}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
pre{background:#f6f8fa;border-radius:0 0 6px 6px;margin:0;overflow-x:auto;font-size:13px}
pre span{display:block;padding:0 .6rem}
.add{background:#dafbe1}.del{background:#ffe1de}.hunk{background:#ddf4ff;color:#57606a}
.file{background:#eee;padding:.3rem .6rem;margin-top:1rem;border-radius:6px 6px 0 0}
textarea,input[type=text]{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}
form+form{margin-top:1rem}
button{font:inherit;padding:.35rem .9rem;margin:.4rem .4rem 0 0}
"""


class Html(str):
    """HTML that is put into a page unchanged."""

    __slots__ = ()


def tag(element: str, /, *children: str | Html, **attributes: str) -> Html:
    """An element; `class_` and `for_` lose their underscore."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{element}{given}>{join(children)}</{element}>")


def join(parts: Iterable[str | Html]) -> Html:
    """The parts in order; plain text is escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def link(text: str, target: str) -> Html:
    """A link to another page of this server."""
    return tag("a", text, href=target)


def html_page(title: str, navigation: Iterable[Html], *content: str | Html) -> str:
    """A whole page."""
    head = join(
        [
            Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
            tag("title", title),
            tag("style", Html(STYLE)),
        ]
    )
    body = join([tag("header", *navigation), tag("main", tag("h1", title), *content)])
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def without_html_comments(text: str) -> str:
    """Text without HTML comments, which GitLab does not show either."""
    end = text.rfind("-->")  # a comment that begins after it has no end
    return re.sub(r"<!--.*?-->\n?", "", text[: end + 3], flags=re.DOTALL) + text[end + 3 :]


def diff_html(text: str) -> Html:
    """A patch with its lines in colours."""
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    lines = (
        tag("span", line or " ", class_=kinds.get(line[:1], "same")) for line in text.splitlines()
    )
    return tag("pre", *lines)
