"""The second paper's study runs in its quick form, and the ellipses have the published statistics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "cifar10h" / "cifar10h.csv"
Run = Callable[..., Result]
NAME = "beyond_hard_labels"
TINY = ["--quick", "--seeds", "2", "--test", "30", "--share", "0.02", "--effort", "0.02"]


def test_ellipses_in_the_quick_form(run_study: Run, tmp_path: Path) -> None:
    done = run_study(NAME, *TINY, "--statistics-of", "400", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output[-2000:]
    written = json.loads((tmp_path / "results.json").read_text())
    off = written["statistics"]["relative difference"]
    # 3 %, and three standard errors of 400 images: the SD of a channel's mean over images is about .16.
    assert abs(off["channel mean"]) < 0.03 + 3 * 0.16 / 400**0.5 / 0.165
    assert abs(off["mean of squares over mean"]) < 0.03
    assert {len(runs) for runs in written["ellipses"].values()} == {2}
    assert all(0 < run["kl"] < 3 for runs in written["ellipses"].values() for run in runs)
    assert "votes" not in written
    assert (tmp_path / "ellipses_tsne.png").stat().st_size > 10_000


@pytest.mark.skipif(not DATA.is_file(), reason=f"the shared data are not at {DATA}")
def test_votes_in_the_quick_form(run_study: Run, tmp_path: Path) -> None:
    votes = ("--data", str(DATA), "--votes", "1,all", "--parts", "votes", "--seeds", "1")
    done = run_study(NAME, *TINY, *votes, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output[-2000:]
    results = json.loads((tmp_path / "results.json").read_text())["votes"]["results"]
    assert set(results) == {"1", "all"}
    arms = {"majority", "mean vote", "p(Y\\|votes)"}
    assert set(results["1"]) == arms
    # With one vote its majority is its mean.
    assert results["1"]["majority"]["kl"] == results["1"]["mean vote"]["kl"]
    assert results["1"]["mean vote"]["label kl"] > 0
    assert results["all"]["mean vote"]["label kl"] is None
    assert (tmp_path / "votes.png").stat().st_size > 10_000


def test_an_unknown_part_is_refused(run_study: Run, tmp_path: Path) -> None:
    done = run_study(NAME, "--parts", "vote", "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert "expected some of statistics,ellipses,votes" in done.stderr
    assert not (tmp_path / "out").exists()
