"""A path that cannot be written is refused before any work, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from labelppl import InputError
from labelppl.runs import check_file, check_folder

FOLDERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a file": (lambda t: t / "file", "is a file, expected a folder"),
    "a dangling link": (lambda t: t / "dangling", "is a link to nowhere, which does not exist"),
    "below a file": (lambda t: t / "file" / "r", "file is a file, expected a folder"),
    "below a dangling link": (lambda t: t / "dangling" / "r", "a link that leads nowhere"),
}
FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a folder": (lambda t: t, "is a folder, expected the name of a file"),
    "a dangling link": (lambda t: t / "dangling.csv", "is a link to nowhere"),
    "another suffix": (lambda t: t / "a.json", "ending in .csv or .parquet"),
    "no suffix": (lambda t: t / "a", "ending in .csv or .parquet"),
    "an input": (lambda t: t / "input.csv", "is an input of this command and is never overwritten"),
    "an input by another name": (lambda t: t / "link.csv", "is an input of this command"),
    "below a file": (lambda t: t / "file" / "a.csv", "is a file, expected a folder"),
    "no ordinary file": (lambda t: t / "pipe.csv", "is no ordinary file"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("file", "input.csv"):
        (tmp_path / name).write_text("kept")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "dangling.csv").symlink_to("nowhere")
    (tmp_path / "link.csv").symlink_to("input.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_cannot_be_one(place: Path, name: str) -> None:
    path, words = FOLDERS[name]
    with pytest.raises(InputError) as refused:
        check_folder(path(place))
    assert words in str(refused.value)
    assert str(path(place)) in str(refused.value)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_one(place: Path, name: str) -> None:
    path, words = FILES[name]
    with pytest.raises(InputError) as refused:
        check_file(path(place), suffixes=(".csv", ".parquet"), inputs=(place / "input.csv", None))
    assert words in str(refused.value)
    assert str(path(place)) in str(refused.value)


def test_what_can_be_written_passes_and_nothing_is_made(place: Path) -> None:
    check_folder(place / "new" / "deep")
    check_folder(place)
    check_file(place / "new.csv", suffixes=(".csv",), inputs=(place / "input.csv",))
    check_file(place / "new" / "a.csv")
    assert not (place / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(InputError, match="may not be written by this user"):
        check_folder(tmp_path / "closed" / "r")
