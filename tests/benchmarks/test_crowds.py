"""The benchmark of crowds runs in its quick form and writes what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_quick_benchmark_runs(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "crowds.py"
    command = [sys.executable, str(script), "--parts", "large", "--out", str(tmp_path), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = json.loads((tmp_path / "crowds.json").read_text())["large"]
    assert row["gate"] == "passed"
    assert row["accuracy"] > 0.9
    assert "labelppl crowd" in (tmp_path / "crowds.md").read_text()
