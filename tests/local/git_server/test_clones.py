"""What git does with the embedded server."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.local.git_server.support import Shop, git
from workflows.local.git_server.http import create_bare

if TYPE_CHECKING:
    from pathlib import Path


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
