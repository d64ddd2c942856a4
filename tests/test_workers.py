"""Tasks in worker processes and on Ray: all are done, also where a worker is killed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from labelppl.errors import FailedWork, InputError
from labelppl.workers import Workers, run_tasks

WITHOUT_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'labelppl[scale]'",
)
EVERYWHERE = pytest.mark.parametrize(
    "ray", [None, pytest.param("local", marks=WITHOUT_RAY)], ids=["processes", "ray"]
)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`worker_tasks`, as a module that worker processes find too."""
    folder = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder)
    return importlib.import_module("worker_tasks")


@EVERYWHERE
def test_a_killed_worker_loses_nothing(tmp_path: Path, tasks: ModuleType, ray: str | None) -> None:
    (tmp_path / "there").touch()
    paths = [tmp_path / name for name in ("there", "a", "bb")]
    lines: list[str] = []
    results = dict(run_tasks(tasks.dies_once, paths, Workers(2, ray), lines.append))
    assert results == {path: len(path.name) for path in paths}


def test_a_killed_worker_stops_no_other(tmp_path: Path, tasks: ModuleType) -> None:
    """The task that runs beside the killed one is begun once."""
    paths = [tmp_path / name for name in ("dies", "slow")]
    lines: list[str] = []
    results = dict(run_tasks(tasks.counts_beginnings, paths, Workers(2), lines.append))
    assert results == {paths[0]: 2, paths[1]: 1}
    assert len(lines) == 1


@EVERYWHERE
def test_what_a_task_raises_is_raised(tmp_path: Path, tasks: ModuleType, ray: str | None) -> None:
    with pytest.raises(InputError, match=r"^x: not a table$"):
        list(run_tasks(tasks.refuses, [tmp_path / "x"], Workers(1, ray), print))


def test_a_task_that_always_dies_ends_with_the_mend(tmp_path: Path, tasks: ModuleType) -> None:
    with pytest.raises(FailedWork, match="--jobs"):
        list(run_tasks(tasks.dies, [tmp_path / "x"], Workers(1), print))


@pytest.mark.skipif(os.name == "nt", reason="a child does not know that its parent is gone")
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, tasks: ModuleType) -> None:
    code = (
        "import worker_tasks\nfrom pathlib import Path\nfrom labelppl.workers import Workers, run_tasks\n"
        f"list(run_tasks(worker_tasks.sleeps, [Path({str(tmp_path / 'x')!r})], Workers(1), print))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    note = tmp_path / "x.pid"
    wait_until(lambda: note.exists() and bool(note.read_text()))
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(int(note.read_text())))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds:g} s"
        time.sleep(0.05)


def alive(process: int) -> bool:
    """Whether the process runs; one that nobody has asked how it ended does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_no_cluster_is_told_with_the_mend(tmp_path: Path, tasks: ModuleType) -> None:
    if importlib.util.find_spec("ray") is None:
        with pytest.raises(InputError, match=r"labelppl\[scale\]"):
            list(run_tasks(tasks.dies, [tmp_path], Workers(1, "local"), print))
    else:
        with pytest.raises(InputError, match=r"--ray 127\.0\.0\.1:1: no Ray cluster answers"):
            list(run_tasks(tasks.dies, [tmp_path], Workers(1, "127.0.0.1:1"), print))
