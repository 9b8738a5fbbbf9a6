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
    from collections.abc import Collection, Iterable, Iterator, Mapping

    _Mount = tuple[int, int, Path, list[str]]  # depth, kind, path, arguments

_COVER, _READ, _WRITE = range(3)  # kinds of mount; of two at one path the later one holds
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
    hidden = _existing(hidden)
    covers = _existing(_secret_places()) | hidden
    mounts = [_mount(path, _COVER, _cover(path)) for path in covers]
    mounts += [
        _mount(path, _READ, ["--ro-bind", str(path), str(path)])
        for path in _readable(program, env)
        if _strictly_in(path, covers) and not _is_in(path, hidden)
    ]
    mounts += [
        _mount(path, _WRITE, ["--bind", str(path), str(path)])
        for path in {path.resolve() for path in writable}
    ]
    return [*_BASE, *_arguments(sorted(mounts)), "--chdir", str(cwd)]


def _arguments(mounts: Iterable[_Mount]) -> Iterator[str]:
    """All mounts in one list, without a cover below a cover: it would show that its path exists."""
    covering: dict[Path, bool] = {}
    for _, kind, path, arguments in mounts:
        above = next((covering[folder] for folder in path.parents if folder in covering), False)
        if kind != _COVER or not above:
            covering[path] = kind == _COVER
            yield from arguments


def _mount(path: Path, kind: int, arguments: list[str]) -> _Mount:
    return len(path.parts), kind, path, arguments


def _cover(path: Path) -> list[str]:
    if path.is_dir():
        return ["--tmpfs", str(path)]
    return ["--ro-bind", "/dev/null", str(path)]


def _secret_places() -> list[Path]:
    homes = {Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)}
    found = [home / name for home in homes for name in _IN_HOME]
    return found + [Path(name) for name in (*_ELSEWHERE, *_ROOTS_OWN)]


def _existing(paths: Iterable[Path]) -> set[Path]:
    return {path.resolve() for path in paths if _exists(path)}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # behind a folder that is closed to us, and so to the program
        return False


def _strictly_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(folder in path.parents for folder in folders)


def _is_in(path: Path, folders: Collection[Path]) -> bool:
    return path in folders or _strictly_in(path, folders)


def _readable(program: Path | None, env: Mapping[str, str]) -> set[Path]:
    """What a program needs to start, wherever it is."""
    found = {*map(Path, _NEEDED), Path(sys.prefix), Path(sys.base_prefix)}
    found |= {Path(env[name]) for name in _FILES if name in env}
    folders = set(map(Path, filter(None, env.get("PATH", "").split(os.pathsep))))
    if program is not None:
        interpreter = program.parent / "python"  # of the virtual environment it is in
        found |= {program, program.resolve()}
        folders |= {program.parent, program.resolve().parent, interpreter.resolve().parent}
    found |= folders | {folder.parent for folder in folders if folder.name in {"bin", "sbin"}}
    return _existing(filter(Path.is_absolute, found))


def find_program(program: str, *, env: Mapping[str, str], cwd: Path) -> Path | None:
    """The file that would be run in `cwd` with this PATH; None if there is none."""
    if os.sep in program:
        program = str(cwd / program)
    found = shutil.which(program, path=env["PATH"])
    return Path(found) if found else None
