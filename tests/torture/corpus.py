"""The frame of the broken inputs: what one is, how it is tried, and how the tries are counted.

A `Broken` spoils a folder that holds a small data set (``hip.csv``, ``hip.py``, ``images``) and a finished run ``r``, and
says which command then must end with which status and which words, in one line, with nothing written or changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from labelppl.cli import main

from labelppl.runs import record

#: What never stands in a line for a user: the head of a traceback, and the words for a defect of ours.
NEVER = ("Traceback", "a defect of labelppl")


def nothing(_: Path) -> None:
    """Spoil nothing: the command line itself is what is wrong."""


@dataclass(frozen=True)
class Broken:
    """kind: what sort of thing is broken. name: which. command: words after ``labelppl``. words: that the line must hold.

    spoil: breaks something in the folder. status: 2 bad input, 1 failed work. right: the input is odd but well defined, and
    must be read right, with status 0 and these words.
    """

    kind: str
    name: str
    command: tuple[str, ...]
    words: tuple[str, ...]
    spoil: Callable[[Path], object] = nothing
    status: int = 2

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class Outcome:
    """What became of one try. wrong: why it is not what was promised, empty where it is."""

    broken: Broken
    status: int
    output: str
    wrong: str


def own_copy(sound: Path, target: Path) -> Path:
    """A copy of the folder whose run is made from the copy's own model and table."""
    shutil.copytree(sound, target, symlinks=True)
    made = {"model": {"path": str(target / "hip.py")}, "data": {"path": str(target / "hip.csv")}}
    record(target / "r", **made)
    return target


def attempt(broken: Broken, folder: Path) -> Outcome:
    """Spoil the folder, run the command in it in this process, and compare with what was promised."""
    broken.spoil(folder)
    before = state(folder)
    here = Path.cwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(main, list(broken.command))
    finally:
        os.chdir(here)
    return Outcome(
        broken, result.exit_code, result.output, _wrong(broken, result, before, state(folder))
    )


def _wrong(broken: Broken, result: Any, before: dict[str, str], after: dict[str, str]) -> str:
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        return "raised " + "".join(traceback.format_exception_only(error)).strip()
    if result.exit_code != broken.status:
        return f"exit status {result.exit_code}, expected {broken.status}"
    lines = result.output.splitlines()
    if broken.status and (len(lines) != 1 or not lines[0].startswith("labelppl: ")):
        return f"{len(lines)} lines, expected one that begins with 'labelppl: '"
    for never in NEVER:
        if never in result.output:
            return f"says '{never}'"
    for word in broken.words:
        if word not in result.output:
            return f"does not say '{word}'"
    if broken.status and after != before:
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        return f"wrote or changed {', '.join(sorted(changed))}"
    return ""


def state(folder: Path) -> dict[str, str]:
    """Digest of every file below the folder; links, folders and pipes by their kind."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            entries[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            entries[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            entries[name] = "folder" if path.is_dir() else "other"
    return entries


def counts(outcomes: Iterable[Outcome]) -> str:
    """A table of the tries by kind: how many, and how many ended as promised."""
    tried: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for outcome in outcomes:
        tried[outcome.broken.kind] += 1
        held[outcome.broken.kind] += not outcome.wrong
    rows = [f"{kind:<36} {tried[kind]:>5} {held[kind]:>5}" for kind in sorted(tried)]
    return "\n".join(
        [
            f"{'kind':<36} {'tried':>5} {'held':>5}",
            *rows,
            f"{'all':<36} {tried.total():>5} {held.total():>5}",
        ]
    )
