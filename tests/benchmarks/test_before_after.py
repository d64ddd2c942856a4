"""The study of then and now runs each measure in a process of its own and writes a row."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[2] / "benchmarks" / "before_after.py"


def test_a_censored_case_and_an_impossible_law() -> None:
    command = [sys.executable, str(STUDY), "--quick", "--only", "censored,impossible"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, _, censored, impossible = done.stdout.splitlines()
    assert head == "| measure | now |"
    # P(>40 | 40) = .5 and P(>40 | 30) = .023 with SD 5.
    assert float(censored.split("p: ")[1].split()[0]) == pytest.approx(0.956, abs=0.03)
    assert "fit refuses" in impossible
    assert "Poisson" in impossible
