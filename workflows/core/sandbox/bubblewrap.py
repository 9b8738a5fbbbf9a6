"""The command line of bubblewrap: what an untrusted program may see and write. Nothing is started.

The whole machine is there, read-only, but for the places where secrets usually are; processes,
IPC, /tmp and /dev are its own; the network is ours, because the model is reached over it.
Source: bwrap(1), version 0.4 and later.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    _Mount = tuple[int, int, Path, list[str]]  # depth, then what wins: cover, read, write

_BASE = (
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--unshare-pid", "--unshare-ipc", "--unshare-uts"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
)
# Not the whole home: interpreters and programs live there (pyenv, ~/.local/bin, a clone's .venv).
_IN_HOME = (
    *(".ssh", ".gnupg", ".config", ".netrc", ".git-credentials", ".password-store"),
    *(".aws", ".azure", ".boto", ".s3cfg", ".docker", ".kube", ".oci", ".terraform.d"),
    *(".vault-token", ".databrickscfg", ".prefect", ".npmrc", ".yarnrc.yml", ".pypirc"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".m2", ".gradle"),
    *(".composer/auth.json", ".pgpass", ".my.cnf", ".local/share/keyrings", ".mozilla"),
    *(".bash_history", ".zsh_history", ".python_history", ".psql_history"),
    *(".claude", ".claude.json", ".codex", ".gemini"),
)
# /run: mounted secrets, the sockets of docker and ssh-agent, the user's own bus
_ELSEWHERE = ("/run", "/var/run", "/tmp", "/var/tmp", "/secrets")  # noqa: S108 - hidden, not used
_ROOTS_OWN = ("/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/ssh", "/var/lib/docker")
_NEEDED = ("/run/current-system", "/etc/resolv.conf")  # NixOS; often a link into /run
_FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE")


def options(
    *,
    program: Path | None = None,
    env: Mapping[str, str],
    cwd: Path,
    writable: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
) -> list[str]:
    """Everything between `bwrap` and the program.

    A deeper path decides over a shallower one, and `writable` over `hidden` for the same path.
    What is hidden must exist by now. Programs on PATH, their virtual environment and certificates
    can be read wherever they are, but not in a folder of `hidden`.
    """
    ours = [path.resolve() for path in hidden if path.exists()]
    covers = {path.resolve() for path in _secret_places() if _exists(path)} | set(ours)
    wanted = [
        path
        for path in _readable(program, env)
        if _strictly_in(path, covers) and not _strictly_in(path, ours) and path not in ours
    ]
    mounts = [_mount(path, 0, _cover(path)) for path in covers]
    mounts += [_mount(path, 1, ["--ro-bind", str(path), str(path)]) for path in wanted]
    bound = {path.resolve() for path in writable}
    mounts += [_mount(path, 2, ["--bind", str(path), str(path)]) for path in bound]
    return [*_BASE, *_words(sorted(mounts)), "--chdir", str(cwd)]


def _words(mounts: Iterable[_Mount]) -> Iterator[str]:
    """All mounts in one list; a cover under a cover would only tell its name."""
    covering: dict[Path, bool] = {}
    for _, rank, path, words in mounts:
        above = next((covering[folder] for folder in path.parents if folder in covering), False)
        if rank or not above:
            covering[path] = not rank
            yield from words


def _mount(path: Path, rank: int, words: list[str]) -> _Mount:
    return len(path.parts), rank, path, words


def _cover(path: Path) -> list[str]:
    if path.is_dir():
        return ["--tmpfs", str(path)]
    return ["--ro-bind", "/dev/null", str(path)]


def _secret_places() -> list[Path]:
    homes = {Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)}
    found = [home / name for home in homes for name in _IN_HOME]
    return found + [Path(name) for name in (*_ELSEWHERE, *_ROOTS_OWN)]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # behind a folder that is closed to us, and so to the program
        return False


def _strictly_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(folder in path.parents for folder in folders)


def _readable(program: Path | None, env: Mapping[str, str]) -> set[Path]:
    """What a program needs to start, wherever it is."""
    found = {Path(name) for name in _NEEDED} | {Path(sys.prefix), Path(sys.base_prefix)}
    found |= {Path(env[name]) for name in _FILES if name in env}
    folders = [Path(name) for name in env.get("PATH", "").split(os.pathsep) if name]
    if program is not None:
        interpreter = program.parent / "python"  # of the virtual environment it is in
        found |= {program, program.resolve()}
        folders += [program.parent, program.resolve().parent, interpreter.resolve().parent]
    for folder in folders:
        found.add(folder.parent if folder.name in {"bin", "sbin"} else folder)
        found.add(folder)
    return {path.resolve() for path in found if path.is_absolute() and _exists(path)}


def find_program(program: str, *, env: Mapping[str, str], cwd: Path) -> Path | None:
    """The file that would be run in `cwd` with this PATH; None if there is none."""
    if os.sep in program:
        program = str(cwd / program)
    found = shutil.which(program, path=env["PATH"])
    return Path(found) if found else None
