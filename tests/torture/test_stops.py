"""Commands that are killed, interrupted or run out of disk at random moments lose nothing, and leave nothing behind.

`make test` tries a few; `make torture` tries LABELPPL_KILLS of each and prints the counts. Each try is a fork of this
process, so that the moments fall into the work and not into imports.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from labelppl.cli import main

from labelppl.runs import read_json, sha256
from labelppl.runs.run_json import digests

TRIES = int(os.environ.get("LABELPPL_KILLS", "3"))
COMMANDS = {
    "fit": ("fit", "--model", "hip.py", "--quiet", "--run", "o"),
    "label": ("label", "--model", "hip.py", "--quiet", "--run", "o"),
    "distill": ("distill", "--model", "hip.py", "--image-size", "32", "--epochs", "1", "--lam", "1", "--quiet", "--run", "o"),
    "evaluate": ("evaluate", "--run", "r"),
    "report": ("report", "--run", "r"),
    "simulate": ("simulate", "hip", "--cases", "40", "--size", "64", "--out", "o"),
}  # fmt: skip


def forked(folder: Path, command: tuple[str, ...], prepare: Callable[[], object]) -> int:
    """The process that runs the command in ``folder``, its output in ``out``."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.chdir(folder)
        # A shell that runs something in the background lets it ignore an interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        handle = os.open(folder.parent / "out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        # The test runner's own streams do not write to 1 and 2.
        sys.stdout, sys.stderr = (open(fd, "w", buffering=1, closefd=False) for fd in (1, 2))  # noqa: SIM115
        prepare()
        main(list(command), prog_name="labelppl")
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


def whole(run: Path) -> None:
    """Every file that the record names is the one that was recorded, and JSON files are whole."""
    for name, digest in digests(read_json(run / "run.json")).items():
        if (run / name).is_file():
            assert sha256(run / name) == digest, name
    for path in run.glob("*.json"):
        json.loads(path.read_text())


def swept(folder: Path) -> list[str]:
    """Temporary files and locks that are left."""
    return [p.name for p in folder.rglob(".*")]


@pytest.mark.parametrize("stop", ["SIGKILL", "SIGINT"])
def test_stopped_at_a_random_moment_nothing_is_lost(sound: Path, tmp_path: Path, stop: str) -> None:
    rng = np.random.default_rng(1)
    number = signal.Signals[stop]
    stopped: Counter[str] = Counter()
    for i in range(TRIES):
        name = list(COMMANDS)[i % len(COMMANDS)]
        folder = Path(shutil.copytree(sound, tmp_path / f"{i}" / "hip"))
        child = forked(folder, COMMANDS[name], lambda: None)
        time.sleep(float(rng.uniform(0.05, 4.0)))
        os.kill(child, number)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        stopped[f"{name} {status}"] += 1
        said = (tmp_path / f"{i}" / "out").read_text()
        assert status in (0, -number, 130), said
        assert "Traceback" not in said
        for run in (folder / "r", folder / "o"):
            if (run / "run.json").is_file():
                whole(run)
        if stop == "SIGINT":
            assert not swept(folder), swept(folder)
        again = COMMANDS[name]
        if name == "distill" and (folder / "o" / "run.json").is_file():
            again = (*again, "--resume")
        if not (name == "simulate" and status == 0):
            child = forked(folder, again, lambda: None)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, (
                tmp_path / f"{i}" / "out"
            ).read_text()
        assert not swept(folder), swept(folder)
        shutil.rmtree(folder.parent)
    # A few may all have ended before they were stopped; of many, not.
    assert 2 * len(COMMANDS) > TRIES or any(not name.endswith(" 0") for name in stopped), stopped
    print(f"\n{stop}: {dict(stopped)}")


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    sound: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    ended: Counter[str] = Counter()
    for i in range(TRIES):
        name = list(COMMANDS)[i % len(COMMANDS)]
        folder = Path(shutil.copytree(sound, tmp_path / f"{i}" / "hip"))
        limit = int(10 ** rng.uniform(2.5, 5.5))

        def small(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        child = forked(folder, COMMANDS[name], small)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = (tmp_path / f"{i}" / "out").read_text()
        ended[f"{name} {status}"] += 1
        assert status in (0, 1), said
        assert "Traceback" not in said
        assert "a defect of labelppl" not in said
        if status:
            assert "cannot be written" in said.splitlines()[-1], said
        assert not swept(folder), swept(folder)
        for run in (folder / "r", folder / "o"):
            if (run / "run.json").is_file():
                whole(run)
        shutil.rmtree(folder.parent)
    print(f"\nfull disk: {dict(ended)}")
