"""Where the token goes, and what of the machine does not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import TOKEN, Remote
from tests.tasks.git.support import push_file, secret_like
from workflows.core.config.settings import load
from workflows.core.errors import (
    AuthenticationFailed,
)
from workflows.tasks import git

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.core.config.settings import Settings


def test_the_clone_keeps_no_credential(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """Neither GIT_TOKEN nor a credential in the URL is in any file of the clone."""
    for n, url in enumerate([remote.url, remote.url.replace("://", f"://bot:{TOKEN}@")]):
        clone = git.clone_repository(url, tmp_path / f"clone{n}", settings=settings)
        push_file(clone, f"feature-{n}", "a.txt")

        for path in clone.folder.rglob("*"):
            if path.is_file():
                assert TOKEN.encode() not in path.read_bytes(), path
        assert clone.run("config", "remote.origin.url").stdout.strip() == remote.url


def test_a_credential_in_the_url_is_used(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """The URL's own credential wins over GIT_TOKEN."""
    wrong = load(git_token=secret_like(settings, "glpat-wrong-token-0000"))
    url = remote.url.replace("://", f"://bot:{TOKEN}@")

    assert git.clone_repository(url, tmp_path / "clone", settings=wrong).default_branch == "main"


def test_the_token_goes_to_trusted_hosts_only(
    remote: Remote, settings: Settings, tmp_path: Path
) -> None:
    """With GIT_TOKEN_HOSTS another host is never shown the token."""
    picky = settings.changed(git_token_hosts=("gitlab.example.com",))

    with pytest.raises(AuthenticationFailed):
        git.clone_repository(remote.url, tmp_path / "clone", settings=picky)

    assert {seen.user for seen in remote.server.requests} == {None}


def test_hooks_and_configuration_of_the_machine_do_not_matter(
    remote: Remote, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User configuration, templates with hooks and hooks in the clone are not read or run."""
    home = tmp_path / "hostile"
    hooks = home / "template" / "hooks"
    hooks.mkdir(parents=True)
    trace = home / "ran"
    script = f"#!/bin/sh\ntouch {trace}\nexit 1\n"
    for name in ("post-checkout", "pre-commit", "commit-msg", "pre-push", "reference-transaction"):
        (hooks / name).write_text(script)
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[init]\n\ttemplateDir = {home}/template\n[core]\n\thooksPath = {hooks}\n"
        '[commit]\n\tgpgSign = true\n[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))

    clone = git.clone_repository(remote.url, tmp_path / "clone", settings=settings)
    inside = clone.folder / ".git" / "hooks"
    inside.mkdir(exist_ok=True)
    for hook in hooks.iterdir():
        (inside / hook.name).write_text(script)
        (inside / hook.name).chmod(0o755)
    push_file(clone, "feature", "a.txt")

    assert not trace.exists()


def test_progress_is_reported_in_words(remote: Remote, settings: Settings, tmp_path: Path) -> None:
    """`on_progress` hears how far a clone is."""
    heard: list[str] = []

    git.clone_repository(
        remote.url, tmp_path / "clone", settings=settings, on_progress=heard.append
    )

    assert any(note.startswith("receiving objects ") and note.endswith("%") for note in heard)
