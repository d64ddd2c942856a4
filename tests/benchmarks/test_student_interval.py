"""The study of the student's interval prints a row for each seed and their mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[2] / "benchmarks" / "student_interval.py"


def test_a_row_for_each_seed() -> None:
    command = [sys.executable, str(STUDY), "--cases", "60", "--size", "32", "--seeds", "1"]
    quick = ["--epochs", "1", "--lam", "1"]
    done = subprocess.run([*command, *quick], capture_output=True, text=True, check=True)
    *_, row, mean = done.stdout.splitlines()
    _, seed, lam, covered, width, labels, _ = (cell.strip() for cell in row.split("|"))
    assert (seed, lam) == ("0", "1.0")
    assert 0 <= float(covered) <= 1
    assert 0 < float(width) <= 1
    assert 0.5 < float(labels) <= 1
    assert mean.startswith("| mean |")
