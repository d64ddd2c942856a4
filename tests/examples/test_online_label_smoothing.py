"""The third paper's study runs in its quick form; compactness is that of a table worked by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "pneumonia" / "pneumonia.csv"
EXAMPLES = ROOT / "examples"
TINY = ["--quick", "--seeds", "1", "--test", "40", "--share", "0.03", "--effort", "0.02"]


def run(*options: str) -> dict[str, object]:
    command = [sys.executable, str(EXAMPLES / "online_label_smoothing.py"), *TINY, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    written: dict[str, object] = json.loads((Path(options[-1]) / "results.json").read_text())
    return written


def test_organs_in_the_quick_form(tmp_path: Path) -> None:
    written = run("--arms", "hard,smooth,ols,lspp", "--out", str(tmp_path))
    means = written["organs, small"]["means"]
    assert list(means) == ["hard", "smooth", "ols", "lspp"]
    for own in means.values():
        assert own["accuracy"][0] <= own["top5"] <= 1
        assert 0 < own["compactness"] <= 1
        assert -1 <= own["separation"] <= 1
    assert set(written["organs, small"]["differences"]) >= {"ols - hard", "ols - smooth"}
    assert (tmp_path / "tsne_organs_small.png").stat().st_size > 10_000


@pytest.mark.skipif(not DATA.is_file(), reason=f"the shared data are not at {DATA}")
def test_two_classes_have_no_lspp_and_no_top_5(tmp_path: Path) -> None:
    written = run("--arms", "hard,lspp", "--data", str(DATA), "--out", str(tmp_path))
    means = written["pneumonia, small"]["means"]
    assert list(means) == ["hard"]
    assert "top5" not in means["hard"]


def test_compactness_and_separation_of_four_points() -> None:
    sys.path.insert(0, str(EXAMPLES))
    try:
        from studies.features import compactness, separation
    finally:
        sys.path.remove(str(EXAMPLES))
    features = np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [4.0, 2.0]])
    labels = np.array([0, 0, 1, 1])
    assert compactness(features, labels) == pytest.approx(0.625 / 3.9375, abs=1e-12)
    assert separation(features, labels) == pytest.approx(0.59863, abs=5e-6)
    assert compactness(7 * features + 3, labels) == pytest.approx(0.625 / 3.9375, abs=1e-12)
