"""Text from outside, made harmless: for a prompt, for a note, or for one line that we write. Pure.

People see an issue rendered; an agent would read its source. So what a browser hides (comments,
zero-width and bidirectional characters, image and link titles) is taken out before an agent reads
it. What goes back to GitLab may hold no quick action and no mention from outside, and no word such
as `Closes #3`, which closes an issue.
"""

from __future__ import annotations

import re
import unicodedata

_COMMENT = re.compile(r"<!---?>|<!--.*?(?:-->|\Z)", re.DOTALL)
_LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]*\]:[ \t]*[#<][^\n]*$", re.MULTILINE)
_ALT_END = re.compile(r"[\]\n]|\Z")
_LINK_TITLE = re.compile(r"(\]\([^()\s]+)\s+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\))\s*\)")
_ATTRIBUTE = re.compile(
    r"\s(?:alt|title|aria-[\w-]+|data-[\w-]+|placeholder|style|hidden)(?:\s*=\s*"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s>]+))?(?=[\s/>])",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[a-zA-Z][^<>]{0,2000}>")
_MOST_LAYERS = 50  # of nested markup; people write one
_KEPT = {"\n", "\t"}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f"  # letters and marks that show nothing
_SIGILS = "@#!~%&$^"
_REFERENCE = re.compile(  # `@all`; `[issue:` if a ] comes later
    rf"(?<![{_SIGILS}])[{_SIGILS}]++(?=[\w\"'{{\[(])|\[[a-z_]+:"
)
_BEGINNINGS = re.compile(rf"[{_SIGILS}\[:]")
_CLOSING = re.compile(r"\b(?:clos|fix|resolv|implement)", re.IGNORECASE)
_TRACKER_KEY = re.compile(r"\b([A-Z][A-Z0-9_]+)-(?=\d)")  # `SHOP-12`: another tracker's issue
_SCHEME_BACKWARDS = re.compile(r"//:[a-z0-9+.-]*", re.IGNORECASE)  # of reversed text: linear


def visible_text(text: str) -> str:
    """`text` as a person sees it on the page: without hidden markup and invisible characters.

    Idempotent. Comments go from code as well: which text is code depends on the renderer.
    Anybody may write a megabyte, so every step takes linear time.
    """
    text = without_invisible(text.replace("\r\n", "\n").replace("\r", "\n"))
    before, layers = None, 0
    while before != text:  # taking something out may join two halves of the next
        before, layers = text, layers + 1
        if layers > _MOST_LAYERS:
            text = text.replace("<", "")  # what is still left can begin nothing
        text = _COMMENT.sub("", text)
        text = _LINK_DEFINITION.sub("", text)
        text = _without_alts(text)
        text = _LINK_TITLE.sub(r"\1)", text)
        text = _TAG.sub(lambda tag: _ATTRIBUTE.sub("", tag.group()), text)
    return text.strip()


def _without_alts(text: str) -> str:
    """`text` with `![]` for each `![…]` that a `(` or `[` follows."""
    kept, at, look, end = [], 0, 0, -1
    while (start := text.find("![", look)) >= 0:
        look = start + 2
        if end < look:  # else the same bracket ends this one too
            found = _ALT_END.search(text, look)
            end = found.start() if found else len(text)
        if text.startswith(("](", "]["), end):
            kept += [text[at:start], "![]"]
            at = look = end + 1
    return "".join([*kept, text[at:]])


def without_invisible(text: str) -> str:
    """`text` without control, format, zero-width and bidirectional characters."""
    return "".join(
        c
        for c in text
        if c in _KEPT or (unicodedata.category(c) not in _HIDDEN_CATEGORIES and c not in _FILLERS)
        if not _is_selector(c)
    )


def _is_selector(character: str) -> bool:
    """Variation selectors and tags: they can carry a whole hidden text."""
    number = ord(character)
    return 0xFE00 <= number <= 0xFE0F or 0xE0000 <= number <= 0xE01EF  # noqa: PLR2004 - Unicode


def bounded_text(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, and how many more are left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()}\n[… {len(text) - limit} more characters are left out]"


def one_line(text: str, limit: int = 200) -> str:
    """One inert line: nothing in it mentions, refers to, links or closes anything in GitLab."""
    line = without_invisible(_COMMENT.sub("", text)).replace("`", "'")
    line = " ".join(line.replace("<", "").replace(">", "").split())
    before, layers = None, 0
    while before != line:  # taking something out may join two halves of the next
        before, layers = line, layers + 1
        if layers > _MOST_LAYERS:
            line = _BEGINNINGS.sub("", line)
        line = _SCHEME_BACKWARDS.sub("", _without_references(line)[::-1])[::-1].strip(" /")
    if _CLOSING.search(line):
        line = _TRACKER_KEY.sub(r"\1 ", line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _without_references(line: str) -> str:
    """`line` without what makes a name or number a mention, or text in brackets a reference."""
    last = line.rfind("]")
    return _REFERENCE.sub(
        lambda found: found[0] if found[0][0] == "[" and found.end() > last else "", line
    )


def code_block(text: str, limit: int = 4_000) -> str:
    """A code block that holds `text` whatever is in it; of a long text, the end.

    GitLab reads neither quick actions nor mentions inside one.
    """
    kept = without_invisible(text).strip("\n")
    if len(kept) > limit:
        kept = f"[… {len(kept) - limit} characters before this]\n{kept[-limit:]}"
    longest = max((len(run) for run in re.findall(r"`+", kept)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{kept}\n{fence}"


def inline_code(text: str) -> str:
    """`text` as inline code, on one line."""
    line = " ".join(without_invisible(text).split())
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}" if line else ""


def slug(title: str, limit: int = 50) -> str:
    """`The total of a basket is 0` -> `the-total-of-a-basket-is-0`; ASCII, may be empty."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:limit].strip("-")
