"""The study of uncertain targets runs in its quick form on phantoms and writes its table and picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from labelppl.phantoms import simulate

SCRIPT = Path(__file__).parents[2] / "examples" / "uncertain_targets.py"


def test_quick_study_writes_results_for_both_students(tmp_path: Path) -> None:
    hips, out = tmp_path / "hips", tmp_path / "out"
    simulate("hip", hips, cases=120, size=32, test=40)
    command = [sys.executable, str(SCRIPT), "--data", str(hips), "--out", str(out), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((out / "results.json").read_text())
    assert [row["student"] for row in rows] == ["prob", "dirichlet"]
    assert all(-1 <= row["spearman"] <= 1 and 0 < row["nll"] < 5 for row in rows)
    assert rows[0]["spearman_share"] is None
    assert -1 <= rows[1]["spearman_share"] <= 1
    assert (out / "table.md").read_text().startswith("| student |")
    assert (out / "epistemic.png").stat().st_size > 10_000


def test_a_folder_without_phantoms_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "hip.py: no such model file" in done.stderr
    assert not (tmp_path / "o").exists()
