"""Tasks that other processes can import, for `test_workers`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from labelppl.errors import InputError


def dies_once(path: Path) -> int:
    """The length of the file's name; its first worker is killed."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return len(path.name)


def counts_beginnings(path: Path) -> int:
    """How often the task was begun: "dies" is killed once "slow" runs, which ends after that."""
    begun = path.with_suffix(".begun")
    with begun.open("a") as file:
        file.write("x")
    times = len(begun.read_text())
    dying, slow = path.with_name("dies.begun"), path.with_name("slow.begun")
    if path.name == "dies" and times == 1:
        while not slow.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)
    while path.name == "slow" and not (dying.exists() and len(dying.read_text()) > 1):
        time.sleep(0.02)
    return times


def dies(path: Path) -> int:
    """Its worker is killed, every time."""
    os.kill(os.getpid(), signal.SIGKILL)
    return len(path.name)


def refuses(path: Path) -> int:
    """What a bad table does."""
    raise InputError(f"{path.name}: not a table")


def sleeps(path: Path) -> int:
    """Writes down which process it is, and takes its time."""
    path.with_suffix(".pid").write_text(str(os.getpid()))
    time.sleep(60)
    return 0
