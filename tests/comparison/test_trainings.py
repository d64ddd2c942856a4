"""Trainings side by side: the bytes of the serial comparison, also where a worker is killed."""

from __future__ import annotations

import importlib.util
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from labelppl.comparison import compare
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import InputError
from labelppl.python_files import load_object
from labelppl.softlabels import SoftLabels
from labelppl.table import Cases
from labelppl.training.schedule import Schedule
from labelppl.workers import Workers

QUICK = {
    "schedule": Schedule(epochs=1, batch_size=16),
    "prior": PriorOptions(lam=1.0),
    "n_boot": 0,
    "device": "cpu",
    "validation": 0,
    "student": "logistic",
    "repeats": 2,
}
OWN = '''
import os, signal
from pathlib import Path
import torch
from labelppl.targets import Hard

class Mine(Hard):
    """Hard labels; the first process other than `parent` that learns them is killed."""

    name = "mine"
    killed, parent = Path({killed!r}), {parent}

    def start(self, data):
        if os.getpid() != self.parent and not self.killed.exists():
            self.killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().start(data)

class Label:
    """The label model of the squares, from a file of the user's."""

    def __init__(self, soft):
        self.soft = soft

    def __call__(self, cases):
        import warnings
        warnings.warn("the squares are simulated")
        return self.soft
'''


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "ray",
    [
        None,
        pytest.param(
            "local",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("ray") is None,
                reason="Ray is not installed: pip install 'labelppl[scale]'",
            ),
        ),
    ],
    ids=["processes", "ray"],
)
def test_workers_leave_the_bytes_of_a_serial_comparison_also_where_one_is_killed(
    cases: Cases,
    label: Callable[[Cases], SoftLabels],
    one_thread: None,
    tmp_path: Path,
    ray: str | None,
) -> None:
    file = tmp_path / "mine.py"
    killed = tmp_path / "killed"
    file.write_text(OWN.format(killed=str(killed), parent=os.getpid()))
    methods = ["hard", "prob", "reg", ("mine", load_object(f"{file}:Mine"))]
    soft = label(cases)
    lines: list[str] = []
    both = {"methods": methods, "say": lines.append, **QUICK}
    compare(soft, cases, out=tmp_path / "serial", **both)
    assert not killed.exists()
    compare(soft, cases, out=tmp_path / "workers", workers=Workers(2, ray), **both)
    assert killed.exists()
    assert any("8 of 8 trainings" in line for line in lines)
    for name in ("compare.csv", "compare.md", *sorted(map(str, _predictions(tmp_path / "serial")))):
        one, two = tmp_path / "serial" / name, tmp_path / "workers" / name
        assert one.read_bytes() == two.read_bytes(), name
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "workers" / "parts").iterdir()}
    compare(soft, cases, out=tmp_path / "workers", resume=True, **both)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def _predictions(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in (folder / "parts").glob("*.parquet")]


def test_workers_label_each_repeat_and_their_warnings_are_heard(
    cases: Cases, label: Callable[[Cases], SoftLabels], one_thread: None, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN.format(killed="x", parent=0))
    own = load_object(f"{file}:Label")(label(cases))
    open_cases = Cases(**{**vars(cases), "split_given": False})
    options = {**QUICK, "methods": ["prob"], "test_share": 0.4}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one = compare(own, open_cases, workers=Workers(2), **options)
    heard = [str(w.message) for w in caught if "squares are simulated" in str(w.message)]
    assert len(heard) == 1
    two = compare(own, open_cases, **options)
    assert one.rows.equals(two.rows)


def test_what_cannot_be_sent_to_a_worker_is_refused_in_one_line(
    cases: Cases, label: Callable[[Cases], SoftLabels]
) -> None:
    lock = threading.Lock()

    def own(some: Cases) -> SoftLabels:
        with lock:
            return label(some)

    with pytest.raises(InputError, match=r"^--jobs: a task cannot be sent to a worker .*lock"):
        compare(own, cases, methods=["prob"], workers=Workers(2), **QUICK)
