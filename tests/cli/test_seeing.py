"""recalibrate, evaluate and predict on a finished run, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MINE = """
from labelppl.metrics import Metric

sure = Metric("sure", "Sure", "share of cases above one half plus a bit", "none",
              value=lambda scored: float((scored.probs.max(axis=1) > 0.51).mean()))
"""


@pytest.fixture
def own_run(run, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.fixture(scope="session")
def calibration_table(hips: Path) -> Path:
    """The training cases as a table of their own, as if they were others."""
    table = pd.read_csv(hips / "hip.csv")
    table = table[table["split"] == "train"].assign(sex=["f", "m"] * 21)
    path = hips / "others.csv"
    table.drop(columns="split").to_csv(path, index=False)
    return path


def probs(path: Path) -> np.ndarray:
    frame = pd.read_csv(path)
    return frame[["p_normal", "p_dysplastic"]].to_numpy()


def test_a_map_is_in_force_for_predict_and_evaluate_until_raw(
    labelppl, hips, own_run, calibration_table, tmp_path
) -> None:
    images = sorted((hips / "images").glob("*.png"))[:6]
    out = tmp_path / "p.csv"

    def predicted(*options: object) -> np.ndarray:
        result = labelppl("predict", "--run", own_run, *images, "--out", out, *options)
        assert result.exit_code == 0, result.output
        return probs(out)

    before = predicted()
    result = labelppl(
        "recalibrate", "--run", own_run, "--data", calibration_table, "--map", "platt",
        "--conformal", 0.2, "--max-risk", 0.4,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "prediction sets" in result.output
    record = json.loads((own_run / "calibration.json").read_text())
    assert (record["map"], record["fitted_to"]) == ("platt", "hard")
    after = predicted()
    fitted = record["fitted"]
    logit = np.log(before[:, 1] / before[:, 0])
    expected = 1 / (1 + np.exp(-(fitted["slope"] * logit + fitted["intercept"])))
    assert after[:, 1] == pytest.approx(expected, abs=1e-9)
    frame = pd.read_csv(out)
    assert set(frame["set"]) <= {"normal", "dysplastic", "normal|dysplastic"}
    assert frame["answered"].dtype == bool
    assert predicted("--raw") == pytest.approx(before)
    assert "set" not in pd.read_csv(out)
    # The shift to another prevalence comes after the map, and leaves the sets alone.
    moved = predicted("--prevalence", "dysplastic=0.5")
    study = json.loads((own_run / "student.json").read_text())["study_prevalence"]
    odds = np.log(expected / (1 - expected)) - np.log(study[1] / study[0])
    assert moved[:, 1] == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-9)
    assert pd.read_csv(out)["set"].tolist() == frame["set"].tolist()

    labelppl("evaluate", "--run", own_run, "--out", tmp_path / "with.json")
    labelppl("evaluate", "--run", own_run, "--out", tmp_path / "raw.json", "--raw")
    with_map, raw = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("with", "raw"))
    assert with_map["nll"] != raw["nll"]
    assert with_map["auc"] == pytest.approx(raw["auc"])


def test_a_calibration_of_another_student_is_refused(
    labelppl, own_run, calibration_table, hips
) -> None:
    labelppl("recalibrate", "--run", own_run, "--data", calibration_table, "--map", "temperature")
    record = json.loads((own_run / "calibration.json").read_text())
    (own_run / "calibration.json").write_text(json.dumps({**record, "student": "0" * 64}))
    image = next((hips / "images").glob("*.png"))
    result = labelppl("predict", "--run", own_run, image, "--out", own_run.parent / "p.csv")
    assert result.exit_code == 2
    assert "another student" in result.output


def test_no_validation_case_is_one_line(labelppl, own_run) -> None:
    result = labelppl("recalibrate", "--run", own_run)
    assert result.exit_code == 2
    assert "no validation case" in result.output
    assert "--data" in result.output


def test_evaluate_takes_subgroups_a_threshold_and_ones_own_metric(
    labelppl, own_run, calibration_table, tmp_path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    result = labelppl(
        "evaluate", "--run", own_run, "--data", calibration_table, "--split", "all",
        "--out", tmp_path / "m.json", "--by", "sex", "--operating-point", "costs=1:3",
        "--prevalence", "dysplastic=0.05", "--metric", f"{tmp_path / 'mine.py'}:sure",
        "--metric", "mix_ece",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    flat = json.loads((tmp_path / "m.json").read_text())
    assert {"by/sex/f/auc", "by/sex/m/auc", "sure", "sure_ci", "mix_ece", "ppv"} <= set(flat)
    point = flat["settings"]["operating_point"]
    assert (point["positive"], point["prevalence"]) == ("dysplastic", 0.05)
    # A threshold of 1/4 at a prevalence of .05 is a higher one where the class is commoner.
    assert point["threshold"] > 0.25
    assert "sure" in result.output
    bad = labelppl("evaluate", "--run", own_run, "--by", "age", "--out", tmp_path / "m.json")
    assert bad.exit_code == 2
    assert "no column 'age'" in bad.output
    wrong = labelppl("evaluate", "--run", own_run, "--operating-point", "sensitivity=0.9")
    assert wrong.exit_code == 2
    assert "no validation case is positive" in wrong.output


def test_draws_of_the_soft_labels_give_metrics_a_posterior(labelppl, own_run, tmp_path) -> None:
    out = tmp_path / "m.json"
    result = labelppl("evaluate", "--run", own_run, "--label-draws", 20, "--out", out)
    assert result.exit_code == 0, result.output
    flat = json.loads(out.read_text())
    lo, hi = flat["realised_accuracy_ci"]
    assert lo <= flat["realised_accuracy"] <= hi
    plain = labelppl("evaluate", "--run", own_run, "--out", out)
    assert plain.exit_code == 0
    assert "realised_accuracy" not in json.loads(out.read_text())
