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
