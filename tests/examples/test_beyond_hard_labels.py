"""The study of raters' votes runs in its quick form on the shared data and writes its table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "cifar10h" / "cifar10h.csv"


@pytest.mark.skipif(not DATA.is_file(), reason=f"the shared data are not at {DATA}")
def test_quick_study_writes_results_for_every_arm(tmp_path: Path) -> None:
    script = ROOT / "examples" / "beyond_hard_labels.py"
    command = [sys.executable, str(script), "--data", str(DATA), "--out", str(tmp_path), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results) == {"prob", "mean-vote", "majority"}
    assert all(0 < run["kl"] < 10 for runs in results.values() for run in runs)
    assert (tmp_path / "table.md").read_text().startswith("| trained on |")
