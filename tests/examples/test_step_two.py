"""The study of step 2 runs in its quick form, each part with its arms and numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "cifar10h" / "cifar10h.csv"
Run = Callable[..., Result]
NAME = "step_two"
TINY = ["--quick", "--seeds", "1", "--test", "30", "--share", "0.2", "--effort", "0.02"]


def test_phantoms_in_the_quick_form(run_study: Run, tmp_path: Path) -> None:
    parts = ("--parts", "hip,evidence hip")
    done = run_study(NAME, *TINY, *parts, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output[-2000:]
    results = json.loads((tmp_path / "results.json").read_text())
    of_arms = results["hip"]
    assert set(of_arms["means"]) == {"hard", "prob", "reg"}
    gap = of_arms["differences"]["reg - prob"]["nll"][0]
    means = [of_arms["means"][arm]["nll"][0] for arm in ("reg", "prob")]
    assert gap == pytest.approx(means[0] - means[1])
    evidence = results["evidence hip"]
    of_folds = "inf" if of_arms["lambda"]["reg"] == ["inf"] else "reg"
    wanted = evidence["nll"]["inf"][0] if of_folds == "inf" else means[0]
    assert evidence["nll"]["cross-validation"][0] == pytest.approx(wanted)
    assert evidence["lambda"]["cross-validation"] == of_arms["lambda"]["reg"]
    assert evidence["trainings"]["evidence"] <= evidence["trainings"]["cross-validation"]
    assert set(evidence["nll"]) == {"cross-validation", "evidence", "0", "inf"}


@pytest.mark.skipif(not DATA.is_file(), reason=f"the shared data are not at {DATA}")
def test_few_images_of_two_classes(run_study: Run, tmp_path: Path) -> None:
    some = ("--data", str(DATA), "--parts", "few images", "--share", "0.5")
    done = run_study(NAME, *TINY, *some, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output[-2000:]
    few = json.loads((tmp_path / "results.json").read_text())["few images, cat and dog"]
    assert (few["training cases"], few["test cases"]) == (50, 1153)
    losses = {arm: runs[0] for arm, runs in few["log-loss"].items()}
    better = min(losses["hard"], losses["prob"])
    assert few["reg above the better of its seed"] == [pytest.approx(losses["reg"] - better)]


def test_a_part_without_its_data_is_refused(run_study: Run, tmp_path: Path) -> None:
    done = run_study(NAME, "--parts", "few images", "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert "needs --data cifar10h.csv" in done.stderr
    assert not (tmp_path / "out").exists()
