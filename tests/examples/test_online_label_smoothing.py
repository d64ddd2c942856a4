"""The third paper's study runs in its quick form; compactness is that of a table worked by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "pneumonia" / "pneumonia.csv"
Run = Callable[..., Result]
TINY = ["--quick", "--seeds", "1", "--test", "40", "--share", "0.03", "--effort", "0.02"]


def written(run_study: Run, *options: str) -> Any:
    """results.json of a run with these options, the last of which is the folder."""
    done = run_study("online_label_smoothing", *TINY, *options)
    assert done.exit_code == 0, done.output[-2000:]
    return json.loads((Path(options[-1]) / "results.json").read_text())


def test_organs_in_the_quick_form(run_study: Run, tmp_path: Path) -> None:
    results = written(run_study, "--arms", "hard,smooth,ols,lspp", "--out", str(tmp_path))
    means = results["organs, small"]["means"]
    assert list(means) == ["hard", "smooth", "ols", "lspp"]
    for own in means.values():
        assert own["accuracy"][0] <= own["top5"] <= 1
        assert 0 < own["compactness"] <= 1
        assert -1 <= own["separation"] <= 1
    assert set(results["organs, small"]["differences"]) >= {"ols - hard", "ols - smooth"}
    assert (tmp_path / "tsne_organs_small.png").stat().st_size > 10_000


@pytest.mark.skipif(not DATA.is_file(), reason=f"the shared data are not at {DATA}")
def test_two_classes_have_no_lspp_and_no_top_5(run_study: Run, tmp_path: Path) -> None:
    results = written(run_study, "--arms", "hard,lspp", "--data", str(DATA), "--out", str(tmp_path))
    means = results["pneumonia, small"]["means"]
    assert list(means) == ["hard"]
    assert "top5" not in means["hard"]


def test_compactness_and_separation_of_four_points(study: Callable[[str], Any]) -> None:
    features_of = study("studies.features")
    compactness, separation = features_of.compactness, features_of.separation
    features = np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [4.0, 2.0]])
    labels = np.array([0, 0, 1, 1])
    assert compactness(features, labels) == pytest.approx(0.625 / 3.9375, abs=1e-12)
    assert separation(features, labels) == pytest.approx(0.59863, abs=5e-6)
    assert compactness(7 * features + 3, labels) == pytest.approx(0.625 / 3.9375, abs=1e-12)
