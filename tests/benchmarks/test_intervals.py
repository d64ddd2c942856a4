"""benchmarks/intervals.py runs in its quick form and prints a row per metric and per size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "intervals.py"


def test_it_prints_coverage_and_size() -> None:
    for options, row in (([], "| auc | 60 | 6 |"), (["--size", "--classes", "3"], "| 3 | 60 |")):
        call = [sys.executable, str(SCRIPT), "--quick", *options]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        assert row in done.stdout
