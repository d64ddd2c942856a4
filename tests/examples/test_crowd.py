"""The study of crowds runs in its quick form and its Bayesian label model is at least as good as the majority."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "crowd"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data are not at {DATA}")
def test_quick_study_beats_the_majority(tmp_path: Path) -> None:
    script = ROOT / "examples" / "crowd.py"
    command = [sys.executable, str(script), "--data", str(DATA), "--out", str(tmp_path), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "results.json").read_text())
    crowd = {row["method"]: row for row in results["crowds"]}
    ours = crowd["hierarchical"]
    assert ours["accuracy"] >= crowd["majority"]["accuracy"]
    assert ours["nll"] < min(crowd["majority"]["nll"], crowd["mean vote"]["nll"])
    (calibrated,) = [r for r in results["scenarios"] if r["method"].startswith("hierarchical")]
    assert calibrated["ece"] <= 0.03
    assert (tmp_path / "table.md").read_text().startswith("| crowd |")
