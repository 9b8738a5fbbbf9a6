"""Which requests the embedded git server answers, and how they may be written."""

from __future__ import annotations

import base64
import gzip

import pytest

from tests.local.git_server.support import FETCH, LS_REFS, V2, Shop, git, raw
from workflows.local.git_server.rules import NOT_FOUND


def test_redirect_to_git_suffix(shop: Shop) -> None:
    """A URL without `.git` is redirected, and git follows."""
    status, _ = raw(shop, "GET", f"/{shop.path}/info/refs?service={FETCH}")
    cloned = git("clone", shop.remote().removesuffix(".git"), str(shop.folder / "c"))

    assert status == 301
    assert "redirecting to" in cloned.stderr
    assert (shop.folder / "c/README.md").read_text() == f"# {shop.path}\n"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "{p}.git/info/refs"),
        ("GET", "{p}.git/info/refs?service=git-upload-archive"),
        ("GET", "{p}.git/info/refs?service=git-upload-pack&service=git-receive-pack"),
        ("GET", "{p}.git/HEAD"),
        ("GET", "{p}.git/objects/info/packs"),
        ("GET", "{p}.git/git-upload-pack"),
        ("POST", "{p}/git-upload-pack"),
        ("POST", "{p}.git/info/refs?service=git-upload-pack"),
        ("GET", "/"),
        ("GET", "{p}/../../../secret.git/info/refs?service=git-upload-pack"),
        ("GET", "/%2e%2e/secret.git/info/refs?service=git-upload-pack"),
        ("GET", "/..%2fsecret.git/info/refs?service=git-upload-pack"),
        ("GET", "/acme%2Fx.git/info/refs?service=git-upload-pack"),
        ("GET", "//evil.example/x/info/refs?service=git-upload-pack"),
        ("GET", "/acme/%ff.git/info/refs?service=git-upload-pack"),
        ("GET", "/acme/%00.git/info/refs?service=git-upload-pack"),
        ("GET", "/.hooks/pre-receive"),
    ],
)
def test_nothing_else_is_there(shop: Shop, method: str, target: str) -> None:
    """All but the three requests of smart HTTP is 404, and no path leads out of the projects."""
    login = "Basic " + base64.b64encode(b"x:tok-40").decode()
    target = target.format(p=f"/{shop.path}")

    assert raw(shop, method, target, Authorization=login) == (404, NOT_FOUND)


def test_head_is_forbidden(shop: Shop) -> None:
    """HEAD on info/refs is 403 for everybody."""
    assert raw(shop, "HEAD", f"/{shop.path}.git/info/refs?service={FETCH}")[0] == 403


def test_unicode_path(shop: Shop) -> None:
    """A project path beyond ASCII is reached percent-encoded."""
    shop.other("grüße/größe", visibility="public")
    url = f"{shop.base}/gr%C3%BC%C3%9Fe/gr%C3%B6%C3%9Fe.git"

    assert "refs/heads/main" in git("ls-remote", url).stdout


@pytest.mark.parametrize("path", ["shop", "acme/../x", "/acme/x", "acme/x.git", "acme//x", "a/.b"])
def test_project_paths(shop: Shop, path: str) -> None:
    """A project path is `group/…/name`, each part a plain name."""
    with pytest.raises(ValueError, match="no path"):
        shop.server.create_repository(path)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("encoded", [True, False])
def test_body_encodings(shop: Shop, *, chunked: bool, encoded: bool) -> None:
    """A request body may be gzip, chunked, or both."""
    body = gzip.compress(LS_REFS) if encoded else LS_REFS
    headers = V2 | ({"Content-Encoding": "gzip"} if encoded else {})

    answer = shop.client.post(
        f"{shop.web_url}.git/git-upload-pack",
        content=iter([body[:7], body[7:]]) if chunked else body,
        headers=headers,
        auth=("x", "tok-20"),
    )

    assert answer.status_code == 200
    assert b"refs/heads/main" in answer.content
