"""PlusCoder in an environment of its own, from the lock beside this file, and where that is.

It is never installed beside Workflows: it is GPL, and is only ever run as a separate program.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import workflows
from workflows.core import process
from workflows.core.config import environment
from workflows.core.errors import ParametersInvalid, ProcessFailed, ProgramMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = Path(__file__).parent / "lock" / "requirements.txt"
SIZE = "1.5 GB"
COMMAND = "workflows agent install pluscoder"
_TOKENIZERS = Path(__file__).with_name("tokenizers.py")
_CHECKOUT = Path(workflows.__file__).resolve().parent.parent
_PYTHONS = ("python3.12", "python3.11")  # the versions that the lock has wheels for
_FITS = "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))"
_STEP_TIMEOUT_S = 3600


def default_folder() -> Path:
    """`.venv-pluscoder` in a checkout; else a folder of ours among the user's data."""
    if (_CHECKOUT / "pyproject.toml").is_file():
        return _CHECKOUT / ".venv-pluscoder"
    data = environment.variable("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "workflows" / "agents" / "pluscoder"


def is_installed(folder: Path) -> bool:
    """Whether an installation there was finished and its interpreter is still there."""
    return (folder / ".ready").is_file() and (folder / "bin" / "python").exists()


def install_pluscoder(folder: Path, on_line: Callable[[str], None]) -> bool:
    """Make `folder` an environment that holds PlusCoder as the lock says; every package by hash.

    Also puts in the tokenizer tables that PlusCoder would download at each start. Whoever comes
    second waits for the first. An unfinished installation is made anew; False where a finished
    one of the same lock was there.

    Raises:
        ParametersInvalid: `folder` is a link.
        ProgramMissing: there is no Python 3.11 or 3.12 with `venv` here.
        ProcessFailed: pip could not install it; the message has pip's last lines.
    """
    folder = folder.absolute()
    if folder.is_symlink():  # what it leads to would be emptied
        raise ParametersInvalid(
            f"{folder} is a link", fix="remove the link, or name the folder it leads to"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        wanted = f"{folder}\n{_fingerprint()}\n"
        ready = folder / ".ready"
        if is_installed(folder) and ready.read_text() == wanted:
            return False
        python = _find_python()
        on_line(f"PlusCoder goes to {folder}: about {SIZE}, one to three minutes")
        ready.unlink(missing_ok=True)
        _run(python, "-m", "venv", "--clear", str(folder))
        own = str(folder / "bin" / "python")
        pip = (own, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input")
        _run(*pip, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK))
        _run(own, str(_TOKENIZERS), str(folder / "tiktoken-cache"))
        # PlusCoder reads the nearest .env above its own files: this empty one, not an operator's
        (folder / ".env").write_text("")
        ready.write_text(wanted)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time is in the block; the system frees the lock of a killed one."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fingerprint() -> str:
    """What makes an installation outdated when it changes."""
    return hashlib.sha256(LOCK.read_bytes() + _TOKENIZERS.read_bytes()).hexdigest()


def _find_python() -> str:
    for python in (sys.executable, *_PYTHONS):
        found = shutil.which(python)
        if found and _exit_code(found, "-c", _FITS) == 0:
            return found
    raise ProgramMissing(
        "PlusCoder needs Python 3.11 or 3.12",
        why=f"neither {sys.executable} nor {' nor '.join(_PYTHONS)} is one with the module venv",
        fix="install one of them (Debian: python3.11-venv), then ask again",
    )


def _exit_code(*args: str) -> int:
    env = environment.whole()
    return process.run(args, env=env, timeout_s=60, check=False).exit_code


def _run(*args: str) -> None:
    try:
        process.run(args, env=environment.whole(), timeout_s=_STEP_TIMEOUT_S)
    except ProcessFailed as error:
        raise ProcessFailed(
            "PlusCoder could not be installed",
            why=error.why,
            fix=f"mend that (pip has its own settings for indexes and proxies), then `{COMMAND}`",
        ) from error
