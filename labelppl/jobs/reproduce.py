"""``reproduce``: every step of a run again, in another folder, and what differs."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from ..errors import FailedWork, InputError
from ..runs import is_own, read_json, read_run_json, sha256, versions
from ..runs.run_json import digests
from .same_files import difference
from .telling import Teller

Call = Callable[[Sequence[str]], int]
#: Options that name where a command writes, with what takes their place.
PLACES = ("--run", "--out")
#: Tells a store of the run; the store's address may follow.
TRACK = "--track"
#: Made anew each time: they hold dates and durations, and every figure in them stands in another file too.
DATED = ("report.html",)


def reproduce_job(run: Path, again: Path | None, *, trust: bool, call: Call, say: Teller) -> None:
    """Run the steps that ``run.json`` lists into ``again``, by default a temporary folder, and compare the files.

    call: runs one labelppl command line in this process and returns its exit status. Raises InputError where the run is a
    stranger's or cannot be repeated, FailedWork where a step fails or a file differs.
    """
    content = read_run_json(run).content
    if not trust and not is_own(content):
        raise InputError(
            f"{run}: was not made by you on this account, and this would execute its commands; read run.json, then add "
            "--trust"
        )
    lines = list(_steps(run, content))
    _tell_versions(content, say)
    if again is None:
        with tempfile.TemporaryDirectory(prefix="labelppl-") as folder:
            _repeat(run, Path(folder) / run.resolve().name, lines, call, say)
    else:
        if again.exists():
            raise InputError(f"{again}: is there already; name a new folder with --out")
        _repeat(run, again.resolve(), lines, call, say)


def _steps(run: Path, content: Mapping[str, Any]) -> Iterator[tuple[str, Path, list[str]]]:
    """Command, working folder and words of every step that was finished."""
    steps = content.get("steps")
    for one in steps if isinstance(steps, list) else []:
        if one.get("status") != "done" or not one.get("files"):
            continue
        words = one.get("command_line")
        if not isinstance(words, list) or not words:
            raise InputError(
                f"{run}: step '{one.get('command')}' was not made by a labelppl command line, so it cannot be repeated"
            )
        yield str(one["command"]), Path(str(one["working_folder"])), [str(word) for word in words]


def _repeat(
    run: Path, again: Path, lines: Sequence[tuple[str, Path, list[str]]], call: Call, say: Teller
) -> None:
    if not lines:
        raise InputError(
            f"{run}: run.json lists no finished step; run labelppl fit or distill first"
        )
    begun: set[str] = set()
    for command, place, words in lines:
        if not place.is_dir():
            raise InputError(f"{place}: is gone; the step '{command}' was made there")
        typed = _into(words, again, begun=command in begun)
        begun.add(command)
        say.stage(f"{command}: labelppl {' '.join(typed)}")
        with chdir(place):
            status = call(typed)
        if status:
            raise FailedWork(
                f"{run}: its step '{command}' ends with status {status} when it is repeated"
            )
    _compare(run, again, say)


def _into(words: Sequence[str], again: Path, *, begun: bool) -> list[str]:
    """The command line with the new folder in place of the run's; ``--resume`` where there is something to resume.

    Nothing is tracked a second time.
    """
    kept: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name = word.partition("=")[0]
        if name in PLACES:
            if "=" not in word:
                del rest[:1]
        elif name == TRACK:
            if "=" not in word and rest and not rest[0].startswith("-"):
                del rest[0]
        elif word != "--resume" or begun:
            kept.append(word)
    return [*kept, "--run", str(again)]


def _compare(run: Path, again: Path, say: Teller) -> None:
    """A line for each file of the run; FailedWork where one differs."""
    before, now = (digests(read_json(folder / "run.json")) for folder in (run, again))
    different = []
    for name in sorted(before):
        if name in DATED or not (run / name).is_file():
            continue
        if name not in now:
            words = "was not made again"
        elif sha256(run / name) == sha256(again / name):
            words = ""
        else:
            words = difference(run / name, again / name)
        same = (
            "same bytes"
            if name in now and sha256(run / name) == sha256(again / name)
            else "same values"
        )
        say(f"{name:<28} {words or same}")
        if words:
            different.append(name)
    if different:
        raise FailedWork(
            f"{run}: {len(different)} of {len(before)} files differ when it is repeated: {', '.join(different)}"
        )
    say(f"{run}: reproduced")


def _tell_versions(content: Mapping[str, Any], say: Teller) -> None:
    stated, here = content.get("versions"), versions()
    for name, number in (stated if isinstance(stated, dict) else {}).items():
        if here.get(name) != number:
            say(f"note: made with {name} {number}, here is {here.get(name, 'none')}")
    say.detail(f"{platform.platform()}, {os.cpu_count()} cores")
