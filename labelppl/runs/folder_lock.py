"""A run folder belongs to one command at a time.

``.lock`` in the folder is locked by the operating system (``flock``), so that a killed command's lock is free at once;
its text names the process, the host and the command. Where the file system knows no such locks, the text decides: a
process of this host that is gone gives the folder free, one of another host keeps it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import InputError

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"
TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
#: Seconds to wait for the lock of a process that is dead: its children let go of it a moment later.
WAIT_FOR_THE_DEAD = 2.0
#: Locked files of this process: a child made by fork would keep their locks after its parent's death.
_held: set[IO[bytes]] = set()


def _let_go() -> None:
    """In a forked child: close the parent's locked files, which leaves the parent its locks."""
    while _held:
        _held.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def lock(folder: Path, command: str) -> Iterator[None]:
    """Keep ``folder`` for ``command`` inside the block; a folder that was made for it and stayed empty is removed.

    Args:
        folder: The run folder.
        command: What is at work, for the message to others.

    Yields:
        Nothing.

    Raises:
        InputError: At once where another command has it, naming process, host and command.

    Examples:
        >>> with lock(Path("run"), "fit"):
        ...     Path("run").is_dir()
        True
        >>> Path("run").is_dir()
        False
    """
    path = folder / LOCK_FILE
    made = (
        [folder] if path.exists() else _make(folder)
    )  # a lock file is there: a killed command made the folder
    try:
        with _taken(path, folder) as file:
            file.truncate(0)
            file.write(json.dumps(_owner(command)).encode())
            file.flush()
            with keep_lock(file):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
    finally:
        for empty in made:
            with contextlib.suppress(OSError):
                empty.rmdir()


@contextmanager
def keep_lock(file: IO[bytes]) -> Iterator[None]:
    """Keep the lock of ``file`` to this process alone while the block runs."""
    _held.add(file)
    try:
        yield
    finally:
        _held.discard(file)


def try_lock(file: IO[bytes]) -> bool:
    """Whether this process has the file's lock now; True where the file system knows no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in TAKEN
    return True


def _taken(path: Path, folder: Path) -> IO[bytes]:
    """The lock file, ours; the file that was locked must still be the one at ``path``.

    Where its owner is dead or not yet written down, the lock is about to be free, or about to say whose it is.
    """
    patience = time.monotonic() + WAIT_FOR_THE_DEAD
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be used as a run folder ({error.strerror}); name a folder that you may write to"
            ) from error
        file = os.fdopen(handle, "r+b")
        owner = _read(file)
        if not try_lock(file) or (fcntl is None and _alive(owner)):
            file.close()
            if _alive(owner) or time.monotonic() > patience:
                raise InputError(
                    f"{folder}: in use by {_words(owner)}; wait for it, or name another folder"
                )
            time.sleep(0.02)
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.seek(0)
                return file
        file.close()


def _make(folder: Path) -> list[Path]:
    """Create the folder and its parents; those that were new, the deepest first."""
    new = [f for f in (folder, *folder.parents) if not f.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be created ({error.strerror}); name a folder that you may write to"
        ) from error
    return new


def _owner(command: str) -> dict[str, Any]:
    return {"process": os.getpid(), "host": socket.gethostname(), "command": command}


def _read(file: IO[bytes]) -> dict[str, Any]:
    """What the lock file says of its owner; empty while it is being written."""
    file.seek(0)
    with contextlib.suppress(ValueError):
        content = json.loads(file.read())
        if isinstance(content, dict):
            return content
    return {}


def _alive(owner: dict[str, Any]) -> bool:
    """Whether the owner may still be at work: a process of this host that exists, or any of another host."""
    if not owner or owner.get("host") != socket.gethostname():
        return bool(owner)
    try:
        os.kill(int(owner["process"]), 0)
    except PermissionError:  # it exists and is another user's
        return True
    except (KeyError, OSError, TypeError, ValueError):
        return False
    return True


def _words(owner: dict[str, Any]) -> str:
    if not owner:
        return "another labelppl command"
    return (
        f"labelppl {owner.get('command')} (process {owner.get('process')} on {owner.get('host')})"
    )
