"""Real git and real HTTP against the embedded git server."""

from __future__ import annotations

import base64
import gzip
import itertools
import os
import socket
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from workflows.core import environment, process
from workflows.local.git_http import Account, GitHttp, GitServer, create_bare
from workflows.local.git_rules import NOT_FOUND, Access, RefChange, Refusal, Service
from workflows.local.serving import Seen, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNTS = (
    Account("mona", "tok-40", 40),
    Account("dave", "tok-30", 30),
    Account("rita", "tok-20", 20),
    Account("gus", "tok-10", 10),
    Account("sid", "tok-0", 0),
)
MAINTAINER = ACCOUNTS[0].token
FETCH: Service = "git-upload-pack"
PUSH: Service = "git-receive-pack"
GIT_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "no_proxy": "*",
    **{f"GIT_{who}_NAME": "Test" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "test@example.com" for who in ("AUTHOR", "COMMITTER")},
}
LS_REFS = b"0014command=ls-refs\n0000"
V2 = {"Git-Protocol": "version=2", "Content-Type": "application/x-git-upload-pack-request"}
_numbers = itertools.count(1)


def git(*args: str, check: bool = True, **more: str) -> process.Completed:
    """Run git as somebody without any configuration; `more` are environment variables."""
    env = environment.for_child((GIT_ENV | more).items())
    return process.run(["git", *args], env=env, timeout_s=30, check=check)


@dataclass(frozen=True)
class Shop:
    """A project of its own for each test, on one server for all."""

    server: GitServer
    base: str
    path: str
    folder: Path
    client: httpx.Client

    def other(self, path: str, **options: Any) -> Shop:
        """Another project beside this one."""
        self.server.create_repository(path, **options)
        return replace(self, path=path)

    @property
    def web_url(self) -> str:
        return f"{self.base}/{self.path}"

    def remote(self, token: str = MAINTAINER, user: str = "oauth2") -> str:
        return f"{self.web_url.replace('://', f'://{user}:{token}@')}.git"

    def clone(self, token: str = MAINTAINER, *options: str) -> Path:
        target = self.folder / f"clone-{next(_numbers)}"
        git("clone", "-q", *options, self.remote(token), str(target))
        return target

    def refs(self) -> dict[str, str]:
        repository = self.server.root / f"{self.path}.git"
        shown = git(f"--git-dir={repository}", "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ") for line in shown.stdout.splitlines())

    def info_refs(self, service: str, token: str | None = None, user: str = "x") -> httpx.Response:
        auth = (user, token) if token else None
        return self.client.get(f"{self.web_url}.git/info/refs?service={service}", auth=auth)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[GitServer, str, httpx.Client]]:
    server = GitServer(tmp_path_factory.mktemp("git"), ACCOUNTS)
    with serve(server.app) as base, httpx.Client(trust_env=False) as client:
        yield server, base, client


@pytest.fixture
def shop(served: tuple[GitServer, str, httpx.Client], tmp_path: Path) -> Shop:
    server, base, client = served
    path = f"acme/tools/shop-{next(_numbers)}"
    server.create_repository(path)
    server.requests.clear()
    return Shop(server, base, path, tmp_path, client)


def commit(clone: Path, name: str = "new.txt", *options: str) -> None:
    (clone / name).write_text(name)
    git("-C", str(clone), "add", "-A")
    git("-C", str(clone), "commit", "-q", "-m", f"Add {name}", *options)


def push(clone: Path, *args: str) -> process.Completed:
    return git("-C", str(clone), "push", "origin", *args, check=False)


def raw(shop: Shop, method: str, target: str, **headers: str) -> tuple[int, str]:
    """Ask with a target that the client library does not tidy up."""
    extensions = {"target": target.encode()}
    answer = shop.client.request(method, shop.base, headers=headers, extensions=extensions)
    return answer.status_code, answer.text


# --- who may do what -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "service", "status", "text"),
    [
        pytest.param(None, FETCH, 401, "HTTP Basic: Access denied.", id="anonymous-fetch"),
        pytest.param("wrong", FETCH, 401, "HTTP Basic: Access denied.", id="wrong-token"),
        pytest.param("tok-0", FETCH, 404, NOT_FOUND, id="no-member-fetch"),
        pytest.param("tok-0", PUSH, 404, NOT_FOUND, id="no-member-push"),
        pytest.param("tok-10", FETCH, 403, "You are not allowed to download code", id="guest"),
        pytest.param("tok-20", FETCH, 200, "", id="reporter-fetch"),
        pytest.param("tok-20", PUSH, 403, "You are not allowed to push code", id="reporter-push"),
        pytest.param("tok-30", PUSH, 200, "", id="developer-push"),
    ],
)
def test_private_project(
    shop: Shop, token: str | None, service: Service, status: int, text: str
) -> None:
    """A private project answers each role with GitLab's status and text."""
    answer = shop.info_refs(service, token)

    assert answer.status_code == status
    assert text in answer.text
    assert answer.headers["content-type"].startswith(
        f"application/x-{service}" if status == 200 else "text/plain"
    )


@pytest.mark.parametrize(
    ("token", "service", "status"),
    [
        (None, FETCH, 200),
        (None, PUSH, 401),
        ("wrong", FETCH, 401),
        ("tok-0", FETCH, 200),
        ("tok-0", PUSH, 403),
        ("tok-10", FETCH, 200),
        ("tok-30", PUSH, 200),
    ],
)
def test_public_project(shop: Shop, token: str | None, service: Service, status: int) -> None:
    """Anybody fetches from a public project, but a wrong token is never taken for anonymous."""
    public = shop.other(f"{shop.path}-open", visibility="public")

    assert public.info_refs(service, token).status_code == status


def test_unauthorised_tells_nothing(shop: Shop) -> None:
    """Without credentials an absent project and a hidden one get the same 401."""
    absent = replace(shop, path="acme/absent")

    hidden, nothing = shop.info_refs(FETCH), absent.info_refs(FETCH)

    assert (hidden.status_code, hidden.text) == (nothing.status_code, nothing.text)
    assert hidden.headers["www-authenticate"] == 'Basic realm="GitLab"'
    assert absent.info_refs(PUSH, "tok-40").text == NOT_FOUND
    assert absent.info_refs(PUSH, "tok-40").status_code == 404


@pytest.mark.parametrize("credentials", ["Bearer tok-40", "Basic ?", "Basic OnRvay00MA==", "Basic"])
def test_malformed_credentials(shop: Shop, credentials: str) -> None:
    """Only basic authentication with some user name counts (the third one is `:tok-40`)."""
    target = f"/{shop.path}.git/info/refs?service={FETCH}"

    assert raw(shop, "GET", target, Authorization=credentials)[0] == 401


def test_any_user_name(shop: Shop) -> None:
    """The token says who it is; the user name may be anything but empty."""
    assert shop.info_refs(FETCH, "tok-20", user="whoever").status_code == 200
    target = f"/{shop.path}.git/info/refs?service={FETCH}"
    assert shop.server.requests == [Seen("GET", target, "rita", 200)]


def test_level_on_one_project(shop: Shop) -> None:
    """An access level given on a project replaces the account's own, and 0 removes the member."""
    shop.server.set_level(shop.path, "mona", 0)
    shop.server.set_level(shop.path, "sid", 30)

    assert shop.info_refs(FETCH, "tok-40").status_code == 404
    assert shop.info_refs(PUSH, "tok-0").status_code == 200


# --- which requests there are ----------------------------------------------------------------


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


# --- what git does with it -------------------------------------------------------------------


def test_same_files_same_commit(tmp_path: Path) -> None:
    """A repository made twice of the same files, odd names included, has the same commit."""
    files = {"a/ü b.txt": "ä\n", 'quo"te\\.txt': "", "plain": "no newline"}
    for name in ("one.git", "two.git"):
        create_bare(tmp_path / name, files=files, default_branch="trunk")

    heads = [git(f"--git-dir={tmp_path / n}.git", "rev-parse", "trunk") for n in ("one", "two")]
    names = git(f"--git-dir={tmp_path / 'one.git'}", "ls-tree", "-rz", "--name-only", "HEAD")

    assert heads[0].stdout == heads[1].stdout
    assert set(names.stdout.split("\0")) == {*files, ""}


def test_protocol_v2(shop: Shop) -> None:
    """The server speaks protocol version 2 with git."""
    traced = git("ls-remote", shop.remote(), GIT_TRACE_PACKET="1").stderr

    assert "< version 2" in traced


def test_blobless_clone(shop: Shop) -> None:
    """A clone with `--filter=blob:none` leaves file contents on the server until they are used."""
    big = shop.other(f"{shop.path}-big", files={"big.txt": os.urandom(200_000).hex()})

    whole = big.clone("tok-20", "--bare")
    partial = big.clone("tok-20", "--bare", "--filter=blob:none")

    sizes = [sum(p.stat().st_size for p in c.glob("objects/*/*.pack")) for c in (whole, partial)]
    assert sizes[0] > 200_000
    assert sizes[1] < 2_000


def test_parallel_clones(shop: Shop) -> None:
    """Eight clones at the same time all get everything."""
    with ThreadPoolExecutor(8) as pool:
        clones = list(pool.map(lambda _: shop.clone(), range(8)))

    assert all((clone / "README.md").is_file() for clone in clones)


def test_big_push_is_streamed(shop: Shop) -> None:
    """60 MB pushed and cloned back arrive whole and never sit in the server's memory."""
    clone = shop.clone()
    with (clone / "big.bin").open("wb") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    git("-C", str(clone), "config", "core.compression", "0")
    commit(clone)
    tracemalloc.start()

    pushed = push(clone, "HEAD:big")
    again = shop.clone("tok-20", "--bare")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert pushed.exit_code == 0, pushed.stderr
    sent, received = (
        git("-C", str(folder), "rev-parse", f"{branch}:big.bin").stdout
        for folder, branch in ((clone, "main"), (again, "big"))
    )
    assert sent == received
    assert peak < 10_000_000


# --- pushes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "refspec", "text"),
    [
        pytest.param(
            "tok-30",
            "HEAD:main",
            "You are not allowed to push code to protected branches on this project.",
            id="protected",
        ),
        pytest.param(
            "tok-40",
            "+rewritten:main",
            "You are not allowed to force push code to a protected branch on this project.",
            id="forced-by-maintainer",
        ),
        pytest.param(
            "tok-30",
            "+rewritten:main",
            "You are not allowed to force push code to a protected branch on this project.",
            id="forced-comes-first",
        ),
        pytest.param(
            "tok-40", ":main", "The default branch of a project cannot be deleted.", id="default"
        ),
        pytest.param(
            "tok-40",
            ":release/1/x",
            "You can only delete protected branches using the web interface.",
            id="delete-protected",
        ),
        pytest.param(
            "tok-30",
            ":release/1/x",
            "You are not allowed to delete protected branches from this project. Only a project "
            "maintainer or owner can delete a protected branch.",
            id="delete-protected-developer",
        ),
        pytest.param(
            "tok-30",
            "HEAD:refs/heads/release/2",
            "You are not allowed to create protected branches on this project.",
            id="create-protected",
        ),
        *(
            pytest.param(
                "tok-40",
                f"HEAD:refs/heads/{'aB3d' * 10}{tail}",
                "You cannot create a branch with a 40-character hexadecimal branch name.",
                id=f"hex{tail}",
            )
            for tail in ("", "-fix", "/fix")
        ),
    ],
)
def test_declined_push(shop: Shop, token: str, refspec: str, text: str) -> None:
    """A push against the rules is declined in GitLab's words and changes nothing."""
    repository = shop.server.root / f"{shop.path}.git"
    git(f"--git-dir={repository}", "branch", "release/1/x")
    shop.server.protect(shop.path, "release/*")
    shop.server.protect(shop.path, "[?*")  # cannot match any branch
    clone, before = shop.clone(token), shop.refs()
    git("-C", str(clone), "checkout", "-q", "--orphan", "rewritten")
    commit(clone, "other.txt")
    git("-C", str(clone), "checkout", "-q", "main")
    commit(clone)

    pushed = push(clone, refspec)

    assert pushed.exit_code == 1
    assert f"remote: GitLab: {text}" in [line.rstrip() for line in pushed.stderr.splitlines()]
    assert "(pre-receive hook declined)" in pushed.stderr
    assert shop.refs() == before


def test_one_bad_ref_declines_all(shop: Shop) -> None:
    """One forbidden branch in a push keeps the allowed ones out too."""
    clone, before = shop.clone("tok-30"), shop.refs()
    commit(clone)

    pushed = push(clone, "HEAD:fine", "HEAD:main")

    assert pushed.stderr.count("(pre-receive hook declined)") == 2
    assert shop.refs() == before


def test_developer_owns_unprotected_branches(shop: Shop) -> None:
    """A developer creates, rewrites and deletes branches and tags that nobody protects."""
    clone = shop.clone("tok-30")
    commit(clone)
    steps = [push(clone, "HEAD:fix/a", "HEAD:refs/tags/v1")]
    commit(clone, "new.txt", "--amend", "--message=Other")
    refused = push(clone, "HEAD:fix/a")
    steps += [push(clone, "+HEAD:fix/a"), push(clone, ":fix/a", "-o", "ci.skip")]

    assert "[rejected]" in refused.stderr
    assert "(pre-receive hook declined)" not in refused.stderr
    assert [step.exit_code for step in steps] == [0, 0, 0]
    assert set(shop.refs()) == {"refs/heads/main", "refs/tags/v1"}


def test_first_push(shop: Shop) -> None:
    """Into an empty project only maintainers push the default branch, which is protected."""
    empty = shop.other(f"{shop.path}-empty", files={}, default_branch="trunk")
    developer, maintainer = empty.clone("tok-30"), empty.clone("tok-40")
    commit(developer)
    commit(maintainer)

    declined, accepted = push(developer, "HEAD:trunk"), push(maintainer, "HEAD:trunk")

    assert "GitLab: You are not allowed to push code to protected branches" in declined.stderr
    assert accepted.exit_code == 0
    assert "merge request" not in accepted.stderr


def test_push_rule(shop: Shop) -> None:
    """A push rule declines every push with its own text, line by line, until it is lifted."""
    clone = shop.clone()
    shop.server.set_push_rule(shop.path, "Commit message '%s\\n' is\nnot good")
    declined = push(clone, "HEAD:a")
    shop.server.set_push_rule(shop.path, None)

    lines = [line.rstrip() for line in declined.stderr.splitlines()]
    assert "remote: GitLab: Commit message '%s\\n' is" in lines
    assert "remote: GitLab: not good" in lines
    assert push(clone, "HEAD:a").exit_code == 0


def test_merge_request_hint(shop: Shop) -> None:
    """The first push of a branch says where to ask for a merge; the next one does not."""
    clone = shop.clone("tok-30")
    first = push(clone, "HEAD:fix/ü+1")
    commit(clone)
    second = push(clone, "HEAD:fix/ü+1")

    query = "merge_request%5Bsource_branch%5D=fix%2F%C3%BC%2B1"
    lines = [line.rstrip() for line in first.stderr.splitlines()]
    assert "remote: To create a merge request for fix/ü+1, visit:" in lines
    assert f"remote:   {shop.web_url}/-/merge_requests/new?{query}" in lines
    assert second.exit_code == 0
    assert "merge request" not in second.stderr


# --- another owner ---------------------------------------------------------------------------


@dataclass
class OneRepository:
    """A backend with one public repository that writes down what is pushed to it."""

    repository: Path
    pushed: list[list[RefChange]]

    def identify(self, user: str, token: str) -> str | None:
        return user if token == "t" else None

    def authorise(self, path: str, user: str | None, service: Service) -> Access | Refusal:
        if path != "the/one" or (service == PUSH and user is None):
            return Refusal(422, "no")
        return Access(self.repository, on_push=self.pushed.append)


def test_mounted_elsewhere(tmp_path: Path) -> None:
    """Under a prefix and with a backend of its own it works alike, and tells of each push."""
    backend = OneRepository(tmp_path / "one.git", [])
    create_bare(backend.repository, files={"a": "a"})
    app = Starlette(routes=[Mount("/my git", GitHttp(backend, hooks=tmp_path / "hooks"))])
    with serve(app) as base:
        url = f"{base.replace('//', '//me:t@')}/my%20git/the/one"
        git("clone", "-q", url, str(tmp_path / "c"))
        head = git("-C", str(tmp_path / "c"), "rev-parse", "HEAD").stdout.strip()
        pushed = push(tmp_path / "c", "HEAD:b")
        told = list(backend.pushed)
        refused = git("ls-remote", f"{base.replace('//', '//me:t@')}/my%20git/no.git", check=False)

    assert f"{base}/my%20git/the/one/-/merge_requests/new" in pushed.stderr
    assert told == [[RefChange("0" * 40, head, "refs/heads/b")]]
    assert "422" in refused.stderr


# --- faults and serving ----------------------------------------------------------------------


def test_fail_next(shop: Shop) -> None:
    """The next requests fail the way a gateway fails them, then all is well again."""
    shop.server.faults.fail_next = [429, 503]

    limited = shop.info_refs(FETCH, "tok-20")
    failed = git("ls-remote", shop.remote(), check=False)

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert limited.text == "Retry later\n"
    assert "The requested URL returned error: 503" in failed.stderr
    assert shop.info_refs(FETCH, "tok-20").status_code == 200
    assert [seen.status for seen in shop.server.requests] == [429, 503, 200]


def test_drop_next(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A connection cut in the middle of an answer makes git fail, and logs nothing."""
    login = base64.b64encode(b"x:tok-40").decode()
    shop.server.faults.drop_next = 1

    failed = git(
        "-c", f"http.extraHeader=Authorization: Basic {login}",
        "clone", f"{shop.web_url}.git", str(shop.folder / "c"), check=False,
    )  # fmt: skip

    assert failed.exit_code == 128
    assert shop.server.requests[-1].status == 200
    assert shop.clone().is_dir()
    assert not caplog.records


def test_latency(shop: Shop) -> None:
    """Every answer is held back as long as asked."""
    shop.server.faults.latency_s = 0.2
    before = time.monotonic()
    shop.info_refs(FETCH, "tok-20")
    shop.server.faults.latency_s = 0.0

    assert time.monotonic() - before >= 0.2


def test_idle_connection_does_not_hold_the_server(shop: Shop) -> None:
    """The server stops at once although a client keeps its connection open."""
    with httpx.Client(trust_env=False) as idle:
        with serve(shop.server.app, grace_s=30) as base:
            assert idle.get(base).status_code == 404
            before = time.monotonic()

        assert time.monotonic() - before < 10


@contextmanager
def connected(base: str, body: bytes, expected: bytes, *headers: str) -> Iterator[None]:
    """A client that fetches with `body`, and reads no more than the `expected` first bytes."""
    host, port = urlsplit(base).netloc.split(":")
    lines = ["POST /acme/shop.git/git-upload-pack HTTP/1.1", "Host: x", *headers]
    lines += [f"{name}: {value}" for name, value in V2.items()]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        assert connection.recv(len(expected)) == expected
        yield


@pytest.mark.parametrize("hung_up", [True, False])
def test_unread_answer_does_not_hold_the_server(tmp_path: Path, *, hung_up: bool) -> None:
    """An answer nobody reads ends with its client, and with the server at the latest."""
    server = GitServer(tmp_path, ACCOUNTS)
    files = {"big": os.urandom(4_000_000).hex()}
    repository = server.create_repository(files=files, visibility="public")
    wanted = git(f"--git-dir={repository}", "rev-parse", "HEAD").stdout.strip()
    body = f"0011command=fetch0001000fno-progress0032want {wanted}\n0009done\n0000".encode()
    length = f"Content-Length: {len(body)}"
    with ExitStack() as client:
        with serve(server.app, grace_s=30 if hung_up else 1) as base:
            client.enter_context(connected(base, body, b"HTTP/1.1 200 OK", length))
            if hung_up:
                client.close()
            before = time.monotonic()

        assert time.monotonic() - before < 10


def test_broken_off_request_does_not_hold_the_server(tmp_path: Path) -> None:
    """A git that waits for the rest of a request ends when the client hangs up."""
    server = GitServer(tmp_path, ACCOUNTS)
    server.create_repository(visibility="public")
    # the server says 100 once it wants the body, and the body never comes
    headers = ("Content-Length: 1000", "Expect: 100-continue")
    with serve(server.app, grace_s=30) as base:
        with connected(base, b"", b"HTTP/1.1 100", *headers):
            pass
        before = time.monotonic()

    assert time.monotonic() - before < 10


def test_app_that_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    """An app that fails to start raises where it is served instead of hanging."""

    class Broken(AbstractAsyncContextManager[None]):
        def __init__(self, app: Starlette) -> None:
            self.app = app

        async def __aenter__(self) -> None:
            raise LookupError("no database")

        async def __aexit__(self, *_: object) -> None:
            """Never reached."""

    with pytest.raises(RuntimeError, match="did not start"), serve(Starlette(lifespan=Broken)):
        pass
    assert "no database" in caplog.text
