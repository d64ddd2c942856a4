"""A run folder belongs to one command at a time, and a dead command's lock is free."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelppl import InputError
from labelppl.runs import lock

HOLDER = """
import os, sys, time
from pathlib import Path
from labelppl.runs import lock

with lock(Path(sys.argv[1]), "fit"):
    if len(sys.argv) > 2 and not os.fork():
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    yield from _holder(tmp_path / "r")


def _holder(folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *more],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_folder_in_use_is_refused_with_process_and_command(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"r: in use by labelppl fit \(process {holder.pid} on "):
        lock(tmp_path / "r", "label").__enter__()


def test_the_lock_of_a_killed_command_is_free_at_once(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "r" / ".lock").exists()
    with lock(tmp_path / "r", "label"):
        pass
    assert not (tmp_path / "r").exists()  # it was empty


def test_a_workers_life_does_not_keep_its_dead_parents_lock(tmp_path: Path) -> None:
    for process in _holder(tmp_path / "r", "with a worker"):
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lock(tmp_path / "r", "label"):
            pass


def test_of_many_at_once_one_at_a_time_goes_through(tmp_path: Path) -> None:
    """Four processes take the lock as often as they can; a shared counter never sees two of them."""
    code = """
import sys, time
from pathlib import Path
from labelppl import InputError
from labelppl.runs import lock
folder, inside, end = Path(sys.argv[1]), Path(sys.argv[1]) / "inside", time.time() + 1.5
while time.time() < end:
    try:
        with lock(folder, "fit"):
            inside.touch(exist_ok=False)
            inside.unlink()
            print(1)
    except InputError:
        pass
"""
    (tmp_path / "kept").touch()
    works = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    ends = [work.communicate(timeout=60) for work in works]
    assert not any(err for _, err in ends), ends
    assert sum(out.count("1") for out, _ in ends) > 10


def test_a_folder_that_was_there_stays_and_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with lock(tmp_path / "r" / "new" / "deep", "fit"):
        assert (tmp_path / "r" / "new" / "deep").is_dir()
    assert (tmp_path / "r").is_dir()
    assert not (tmp_path / "r" / "new").exists()
    with lock(tmp_path / "r", "fit"):
        (tmp_path / "r" / "posterior.nc").touch()
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["posterior.nc"]


def test_where_the_file_system_has_no_locks_the_text_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelppl.runs.folder_lock.fcntl", None)
    (tmp_path / "kept").touch()
    (tmp_path / ".lock").write_text(f'{{"process": {os.getpid()}, "host": "elsewhere"}}')
    with pytest.raises(InputError, match="on elsewhere"), lock(tmp_path, "fit"):
        pass
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    time.sleep(0.01)
    host = os.uname().nodename
    (tmp_path / ".lock").write_text(f'{{"process": {dead.pid}, "host": "{host}"}}')
    with lock(tmp_path, "fit"):
        pass
    (tmp_path / ".lock").write_text(f'{{"process": {os.getpid()}, "host": "{host}"}}')
    with pytest.raises(InputError, match="in use"), lock(tmp_path, "fit"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file/r: cannot be created"),
        lock(tmp_path / "file" / "r", "fit"),
    ):
        pass
