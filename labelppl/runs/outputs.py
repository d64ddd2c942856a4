"""Whether a path can be written, said before any work is done."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError


def check_folder(folder: Path, what: str = "--run") -> None:
    """Refuse a path that can be no folder of files: a file, a dangling link, a place one may not write to.

    Args:
        folder: The path.
        what: The option that named it.

    Raises:
        InputError: With what is wrong and what to give.

    Examples:
        >>> check_folder(Path("new/run"))
    """
    if folder.is_symlink() and not folder.exists():
        raise InputError(
            f"{folder}: is a link to {os.readlink(folder)}, which does not exist; name a folder with {what}"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file, expected a folder; name another with {what}")
    _check_writable(folder, what)


def check_file(
    path: Path,
    *,
    suffixes: Sequence[str] = (),
    inputs: Iterable[Path | None] = (),
    columns: Iterable[str] = (),
    what: str = "--out",
) -> None:
    """Refuse a path that cannot be a file to write.

    A file that is there already is replaced only if it looks like what this command wrote before.

    Args:
        path: The path.
        suffixes: What its name may end in; none allows any.
        inputs: Files that the command reads, which it must not replace.
        columns: Columns, or keys of a JSON file, that everything has which the command writes.
        what: The option that named it.

    Raises:
        InputError: With what is wrong and what to give.

    Examples:
        >>> check_file(Path("labels.parquet"), suffixes=(".parquet",))
        >>> _ = Path("hip.csv").write_text("id")
        >>> check_file(Path("hip.csv"), inputs=[Path("hip.csv")])
        Traceback (most recent call last):
        ...
        labelppl.errors.InputError: ...
    """
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path}: is a link to {os.readlink(path)}, which does not exist; name a file with {what}"
        )
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file; name one with {what}")
    if suffixes and path.suffix not in suffixes:
        raise InputError(
            f"{path}: expected a file name ending in {' or '.join(suffixes)}; name one with {what}"
        )
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no ordinary file; name another with {what}")
    for source in inputs:
        if source is not None and source.exists() and path.exists() and path.samefile(source):
            raise InputError(
                f"{path}: is an input of this command and is never overwritten; name another file with {what}"
            )
    absent = set(columns) - _names_in(path) if path.exists() and path.stat().st_size else set()
    if absent:
        raise InputError(
            f"{path}: is there already, and holds something else than this command writes (no '{min(absent)}'); name another "
            f"file with {what}, or remove it first"
        )
    _check_writable(path, what)


def _names_in(path: Path) -> set[str]:
    """The columns of a table, the keys of a JSON file; nothing where it is neither."""
    try:
        if path.suffix == ".parquet":
            from pyarrow.parquet import read_schema  # costs a quarter of a second

            return set(read_schema(path).names)
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".json":
                return set(json.load(file))
            return set(next(csv.reader(file), []))
    except (OSError, ValueError, TypeError, csv.Error):  # pyarrow's own errors are of these
        return set()


def _check_writable(path: Path, what: str) -> None:
    """The nearest folder above that exists must be a folder and let this user write."""
    above = path if path.is_dir() else path.absolute().parent
    while not above.exists():
        if above.is_symlink():
            raise InputError(
                f"{path}: {above} is a link that leads nowhere; name another place with {what}"
            )
        above = above.parent
    if not above.is_dir():
        raise InputError(
            f"{path}: {above} is a file, expected a folder; name another place with {what}"
        )
    if not os.access(above, os.W_OK | os.X_OK) or (path.is_file() and not os.access(path, os.W_OK)):
        raise InputError(f"{path}: may not be written by this user; name another place with {what}")
