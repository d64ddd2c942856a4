"""The study of the student's interval prints a row for each seed and their mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[2] / "benchmarks" / "student_interval.py"


def test_a_row_for_each_seed() -> None:
    command = [sys.executable, str(STUDY), "--cases", "60", "--seeds", "1", "--epochs", "1"]
    done = subprocess.run([*command, "--grid", "1"], capture_output=True, text=True, check=True)
    *_, row, mean = done.stdout.splitlines()
    _, seed, lam, *cells, _ = (cell.strip() for cell in row.split("|"))
    assert (seed, lam) == ("0", "1")
    assert mean.startswith("| mean |")
    ours, inflated, last_layer, labels = (tuple(map(float, cell.split(","))) for cell in cells)
    for covered, width in (ours, inflated, last_layer, labels):
        assert 0 <= covered <= 1
        assert 0 < width <= 1
    assert labels[0] > 0.5
    # After one epoch all three stand around one half; the ends of `last layer` are fixed, those of the others measured.
    assert ours[0] > 0.5
