"""Doubted labels, their reasons, near-duplicate images, the cohort; and the command over a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from labelppl.cli import main
from PIL import Image

from labelppl import Label, Real, fit, soft_labels
from labelppl.audit import (
    cohort_of,
    doubts,
    explain,
    near_duplicates,
    odds_in_words,
    term_in_words,
)
from labelppl.audit.duplicates import NEAR, small_picture
from labelppl.audit.ranking import Doubts
from labelppl.errors import InputError
from labelppl.families import gaussian
from labelppl.softlabels.explain import explain_labels
from labelppl.table import Cases, cases_from_frame

MODEL = gaussian(y=Label("ill", "well"), x=Real("mm"), z=Real())


def _study(wrong: tuple[int, ...] = (), seed: int = 0) -> Cases:
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 2
    frame = pd.DataFrame(
        {
            "id": [f"c{i}" for i in range(60)],
            "y": np.array(["ill", "well"])[y],
            "x": 5.0 * y + rng.normal(size=60),
            "z": 4.0 * y + rng.normal(size=60),
            "group": [f"p{i // 2}" for i in range(60)],
        }
    )
    for i in wrong:
        frame.loc[i, "y"] = "well" if frame.loc[i, "y"] == "ill" else "ill"
    frame.loc[11, "z"] = np.nan
    return cases_from_frame(frame, "y", MODEL.label, MODEL.features)


def test_planted_label_errors_come_first_and_are_doubted() -> None:
    wrong = (4, 9, 30)
    cases = _study(wrong)
    posterior = fit(MODEL, cases, seed=0)
    labels = soft_labels(posterior)
    found = doubts(labels, explain_labels(posterior, labels))
    first = found.frame.head(3)
    assert set(first["id"]) == {f"c{i}" for i in wrong}
    assert first["doubted"].all()
    assert len(found) < 8
    assert (np.diff(found.frame["p_label"]) >= 0).all()
    reason = first["reason"].iloc[0]
    assert "speaks for" in reason
    assert " : 1" in reason


def test_a_label_is_doubted_only_where_its_interval_stays_below_one_half() -> None:
    cases = _study((4,))
    labels = soft_labels(fit(MODEL, cases, seed=0))
    frame = doubts(labels).frame
    assert not frame.loc[frame["hi_label"] >= 0.5, "doubted"].any()
    assert frame.loc[
        (frame["hi_label"] < 0.5) & (frame["label"] != frame["suggested"]), "doubted"
    ].all()


def test_labels_that_saw_their_own_label_are_not_ranked() -> None:
    cases = _study()
    labels = soft_labels(fit(MODEL, cases, seed=0), leave_out="fitted")
    with pytest.raises(InputError, match="--leave-out loo"):
        doubts(labels)


def test_explain_says_the_cell_in_its_unit() -> None:
    cases = _study()
    posterior = fit(MODEL, cases, seed=0)
    sentences = explain(explain_labels(posterior, soft_labels(posterior)), "c3")
    assert any("x " in s and " mm" in s for s in sentences), sentences


@pytest.mark.parametrize(
    ("log_odds", "words"),
    [
        (0.0, "1 : 1"),
        (np.log(9.94), "9.9 : 1"),
        (-np.log(12), "12 : 1"),
        (40.0, "more than 10,000 : 1"),
    ],
)
def test_odds_in_words(log_odds: float, words: str) -> None:
    assert odds_in_words(log_odds) == words


def test_weak_terms_say_little() -> None:
    just_below, just_above = np.log(1.25) - 1e-9, np.log(1.25) + 1e-9
    assert "little" in term_in_words("x", "measurement", "3 mm", just_below, "a", "b")
    assert "speaks for b" in term_in_words("x", "measurement", "3 mm", -just_above, "a", "b")


def test_cohort_counts(tmp_path: Path) -> None:
    counts = cohort_of(_study()).set_index("item")["all"]
    assert counts["cases"] == 60
    assert counts["groups"] == 30
    assert counts["label ill"] == 30
    assert counts["no label"] == 0
    assert counts["measured: missing"] == 1


def test_spreadsheet_formulas_are_quoted(tmp_path: Path) -> None:
    frame = doubts(soft_labels(fit(MODEL, _study(), seed=0))).frame.head(1).copy()
    frame["id"] = "=1+1"
    Doubts(frame).save(tmp_path / "audit.csv")
    assert "'=1+1" in (tmp_path / "audit.csv").read_text()


def _picture(path: Path, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 8)).astype(np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC))
    Image.fromarray(pixels).save(path)
    return pixels


def test_near_duplicates_survive_format_size_and_brightness(tmp_path: Path) -> None:
    for i in range(6):
        _picture(tmp_path / f"{i}.png", i)
    original = Image.open(tmp_path / "0.png")
    original.save(tmp_path / "jpeg.jpg", quality=70)
    original.resize((50, 50)).save(tmp_path / "small.png")
    original.point(lambda v: int(v * 0.6 + 30)).save(tmp_path / "dark.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    names = [
        "0.png",
        "jpeg.jpg",
        "small.png",
        "dark.png",
        "copy.png",
        *(f"{i}.png" for i in range(1, 6)),
        "broken.png",
    ]
    split = np.array(["train", "test"] + ["train"] * 9)
    found = near_duplicates(names, [tmp_path / n for n in names], split)
    pairs = {frozenset(p) for p in zip(found.frame["id"], found.frame["other"], strict=True)}
    same = {"0.png", "jpeg.jpg", "small.png", "dark.png", "copy.png"}
    assert pairs == {frozenset((a, b)) for a in same for b in same if a < b}
    assert found.frame["across"].iloc[:4].all()
    assert not found.frame["across"].iloc[4:].any()
    copies = found.frame[found.frame["same_file"]]
    assert set(copies["id"]) | set(copies["other"]) == {"0.png", "copy.png"}
    assert [name for name, _ in found.unreadable] == ["broken.png"]


def test_two_pictures_of_one_patient_on_one_side_are_no_finding(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", 0)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    paths, groups = [tmp_path / "a.png", tmp_path / "b.png"], np.array(["p", "p"])
    assert near_duplicates(["a", "b"], paths, np.array(["train", "train"]), groups).frame.empty
    assert len(near_duplicates(["a", "b"], paths, np.array(["train", "test"]), groups).frame) == 1


def test_a_flat_picture_is_like_no_other(tmp_path: Path) -> None:
    Image.new("L", (40, 40), 9).save(tmp_path / "flat.png")
    assert not small_picture(tmp_path / "flat.png").any()
    assert 0 < NEAR < 1


def test_the_command_over_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a table to audit.csv, without the model file; with --case, one explanation."""
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    for line in (
        "simulate hip --out h --cases 60 --size 32",
        "label --model h/hip.py --run r --quiet",
    ):
        result = run.invoke(main, line.split())
        assert result.exit_code == 0, result.output
    Path("h/hip.py").unlink()
    result = run.invoke(main, ["audit", "--run", "r"])
    assert result.exit_code == 0, result.output
    assert "labels are doubted" in result.output
    assert "near-duplicate" in result.output
    frame = pd.read_csv("r/audit.csv")
    assert frame["reason"].str.contains("alpha").all()
    assert {"cohort.csv", "duplicates.csv"} <= {p.name for p in Path("r").iterdir()}
    result = run.invoke(main, ["audit", "--run", "r", "--case", str(frame["id"].iloc[0])])
    assert "log-odds" in result.output
    assert run.invoke(main, ["audit", "--run", "r", "--case", "nobody"]).exit_code == 2
    assert run.invoke(main, ["audit", "--run", "nowhere"]).exit_code == 2
