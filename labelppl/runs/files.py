"""Files that are whole or absent: written under a name nobody can guess, flushed to the disk, then renamed.

The temporary file is locked (``flock``) while its writer lives. A temporary whose lock is free was left by a process
that died, and `sweep` removes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import InputError
from .folder_lock import LOCK_FILE, keep_lock, try_lock
from .outputs import check_folder

#: Seconds in which a new folder gets its lock.
NEW = 60.0
TEMPORARY = re.compile(r"\.labelppl-[0-9a-f]{16}(\.\w+)?")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then rename; nothing half-written is left behind.

    The file gets the mode that the user's umask asks for, whatever ``write`` did.

    Args:
        path: The file.
        write: Writes all of it to the path that it gets.

    Examples:
        >>> write_atomically(Path("a.txt"), lambda part: part.write_text("whole"))
        >>> Path("a.txt").read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".labelppl-{secrets.token_hex(8)}{path.suffix}")
    try:
        with _create(temporary) as file, keep_lock(file):
            try_lock(file)
            write(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            _flush(temporary)
            os.replace(temporary, path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content``, atomically.

    Args:
        path: The file.
        content: All of it.

    Examples:
        >>> write_bytes(Path("a.bin"), b"whole")
        >>> Path("a.bin").read_bytes()
        b'whole'
    """
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically.

    Args:
        path: The file.
        text: All of it.

    Examples:
        >>> write_text(Path("a.txt"), "63.6°")
        >>> Path("a.txt").read_bytes()
        b'63.6\\xc2\\xb0'
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as indented JSON, atomically; numbers that JSON has no word for become text (inf, nan).

    Args:
        path: The file.
        content: A mapping of what JSON can hold.

    Examples:
        >>> write_json(Path("a.json"), {"lam": float("inf")})
        >>> read_json(Path("a.json"))
        {'lam': 'inf'}
    """
    write_text(path, json.dumps(plain(content), indent=2, default=str, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """``value`` with text in place of the numbers that JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Args:
        path: The file.

    Returns:
        The object, empty if there is no file.

    Raises:
        InputError: For anything else in it.

    Examples:
        >>> read_json(Path("no-such-file.json"))
        {}
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: damaged, not JSON ({error}); make it again with the command that wrote it"
        ) from None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: damaged, got {type(content).__name__}, expected an object of names and values; make it again "
            "with the command that wrote it"
        )
    return content


def sha256(path: Path) -> str:
    """The file's SHA-256.

    Args:
        path: The file.

    Returns:
        64 hexadecimal digits.

    Examples:
        >>> _ = Path("empty").write_bytes(b"")
        >>> sha256(Path("empty"))[:12]
        'e3b0c44298fc'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill beside ``path``, which takes its place when the block ends well; else nothing is left of it.

    Args:
        path: Where the folder is to stand.

    Yields:
        The folder to fill.

    Raises:
        InputError: Where ``path`` is there and is not an empty folder, or cannot be made.

    Examples:
        >>> with new_folder(Path("data")) as part:
        ...     _ = (part / "a.csv").write_text("id")
        >>> sorted(file.name for file in Path("data").iterdir())
        ['a.csv']
    """
    check_folder(path, "--out")
    path = path.resolve()
    if path.exists() and any(path.iterdir()):
        raise InputError(
            f"{path}: exists and is not an empty folder; name a new folder or empty this one"
        )
    sweep(path.parent)
    part = path.with_name(f".labelppl-{secrets.token_hex(8)}")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be created ({error.strerror}); name a folder you may write to"
        ) from error
    try:
        with (part / LOCK_FILE).open("wb") as file, keep_lock(file):
            try_lock(file)
            yield part
            (part / LOCK_FILE).unlink()
        if path.exists():  # kept, not replaced: it may be the caller's working directory
            for entry in sorted(part.iterdir(), key=Path.is_file):  # the table after the pictures
                os.rename(entry, path / entry.name)
        else:
            os.rename(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove temporary files and folders that a killed process left in ``folder``; those of a living one stay.

    Args:
        folder: The folder.

    Examples:
        >>> Path("run").mkdir()
        >>> sweep(Path("run"))
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name) and not path.is_symlink():
            with contextlib.suppress(OSError):
                _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    """Remove a temporary whose lock nobody has. A folder is locked by the lock file in it from its first moment on."""
    if path.is_dir():
        lock_file = path / LOCK_FILE
        if lock_file.exists() and not _is_free(lock_file):
            return
        if lock_file.exists() or time.time() - path.stat().st_mtime > NEW:
            shutil.rmtree(path, ignore_errors=True)
    elif _is_free(path):
        path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    with path.open("rb") as file:
        return try_lock(file)


def _create(path: Path) -> IO[bytes]:
    """A new file that no one else can read or has put there before."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb")


def _flush(path: Path) -> None:
    """Wait until the disk has the file, or the folder's list of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():  # some file systems cannot flush a folder
            raise
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
