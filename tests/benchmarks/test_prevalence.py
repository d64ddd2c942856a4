"""benchmarks/prevalence.py runs in its quick form and prints each way of labelling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "prevalence.py"


def test_it_prints_every_way() -> None:
    call = [sys.executable, str(SCRIPT), "--quick", "--cells", "3"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for way in ("stated", "auto", "mean alone", "π' itself"):
        assert f"| 0.05 | 1.6 | 60, 20 | {way} | " in done.stdout
