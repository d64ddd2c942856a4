"""The benchmarks of label models run in their quick form and print a table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("exact.py --quick", "| 200 |"),
        ("labels.py --quick", "| labelppl |"),
        ("streaming.py --quick", "| csv | 50,000 |"),
        ("reading.py --quick", "| csv | 20,000 |"),
        ("lam_path.py --quick", "picked lambda"),
        ("posterior.py --quick", "| labelppl laplace |"),
        ("calibration.py --quick --engine laplace --only votes", "| votes | 40 |"),
    ],
)
def test_it_runs_and_prints_its_row(command: str, row: str) -> None:
    script, *options = command.split()
    call = [sys.executable, str(BENCHMARKS / script), *options]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert row in done.stdout
