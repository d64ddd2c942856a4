"""The study of the engines runs, each posterior in a process of its own, and says what it found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[2] / "benchmarks" / "engines.py"


def test_small_posteriors_are_measured() -> None:
    command = [sys.executable, str(STUDY), "--quick", "--only", "two-modes,lognormal,sbc"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modes, censored, sbc = done.stdout.splitlines()
    assert "engine laplace" in modes
    assert "refused False" in censored
    assert sbc.split()[:2] == ["sbc", "now"]
    assert "pooled test" in sbc


def test_a_measure_that_takes_too_long_is_told() -> None:
    command = [sys.executable, str(STUDY), "--quick", "--only", "gamma", "--limit", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["gamma", "now", "seconds", "more", "than", "0"]
