"""The training benchmark runs, and prints what it says it measures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training.py"


def test_quick_run_prints_every_loop_with_consistent_ratios() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--device", "cpu"],
        check=True, capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.startswith("Paper's CNN, 1x32x32, batch 64, 64 images, cpu,")
    rows = re.findall(
        r"^\| ([a-z0-9, ]+) \| ([\d,]+) \| (\d+\.\d+) \| (.*?) ?\|$", done.stdout, re.M
    )
    rates = {name: float(rate.replace(",", "")) for name, rate, _, _ in rows}
    assert list(rates) == ["plain", "bare", "ours", "ours, step 2"]
    for name, rate, ratio, target in rows:
        assert rates[name] > 0, rate
        # Rates are printed as whole numbers, ratios with two decimals.
        expected = rates["ours"] / rates[name]
        assert abs(float(ratio) - expected) <= 0.005 + expected * (
            0.5 / rates["ours"] + 0.5 / rates[name]
        )
        assert bool(target) == (name in ("plain", "bare"))
    assert "GPU: not measured here" in done.stdout
