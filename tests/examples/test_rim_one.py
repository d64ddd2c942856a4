"""RIM-ONE's folder, imitated: ratios of drawn cups and discs, groups of eyes, and the zoo's model reads the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from PIL import Image, ImageDraw

from labelppl import load_model, read_cases

Run = Callable[..., Result]
SUFFIX = {"Average_masks": "Avg", "Expert1_masks": "exp1"}


def _ellipse(path: Path, width: int, height: int) -> None:
    mask = Image.new("L", (400, 260))
    box = (100 - width // 2, 130 - height // 2, 100 + width // 2, 130 + height // 2)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    path.parent.mkdir(parents=True, exist_ok=True)
    mask.save(path)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Four eyes; the left half of each picture is red, the right half blue. Cups (width, height) in a disc of 100 x 120."""
    root = tmp_path / "RIM-ONE r3"
    eyes = {"Healthy": {"N-1-L": (30, 36), "N-1-R": (40, 48)},
            "Glaucoma and suspects": {"G-1-L": (60, 96), "G-10-R": (70, 90)}}  # fmt: skip
    for folder, cups in eyes.items():
        for name, (width, height) in cups.items():
            pixels = np.zeros((260, 400, 3), np.uint8)
            pixels[:, :200, 0], pixels[:, 200:, 2] = 255, 255
            stereo = root / folder / "Stereo Images" / f"{name}.jpg"
            stereo.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(stereo)
            for masks, suffix in SUFFIX.items():
                more = 10 if suffix == "exp1" else 0
                middle = "" if suffix == "Avg" else "1-"
                _ellipse(
                    root / folder / masks / f"{name}-{middle}Cup-{suffix}.png", width + more, height
                )
                _ellipse(root / folder / masks / f"{name}-{middle}Disc-{suffix}.png", 100, 120)
    return root


def test_ratios_are_those_of_the_outlines(run_study: Run, database: Path, tmp_path: Path) -> None:
    done = run_study(
        "rim_one", "--data", str(database), "--out", str(tmp_path / "rim"), "--size", "64"
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "rim" / "rim_one.csv").set_index("id")
    # An ellipse drawn from a to b spans b - a + 1 pixels.
    assert table.loc["G-1-L", "vertical"] == pytest.approx(97 / 121, abs=1e-4)
    assert table.loc["G-1-L", "horizontal"] == pytest.approx(61 / 101, abs=1e-4)
    assert table["diagnosis"].tolist() == ["normal", "normal", "suspect", "suspect"]
    assert table["group"].tolist() == ["N-1", "N-1", "G-1", "G-10"]
    with Image.open(tmp_path / "rim" / table.loc["N-1-L", "image"]) as picture:
        assert picture.size == (49, 64)
        red, _, blue = np.asarray(picture).reshape(-1, 3).mean(0)
    assert red > 240
    assert blue < 15
    cases = read_cases(tmp_path / "rim" / "rim_one.csv", load_model("glaucoma"))
    assert len(cases) == 4
    assert set(cases.groups) == {"N-1", "G-1", "G-10"}


def test_one_experts_outlines(run_study: Run, database: Path, tmp_path: Path) -> None:
    done = run_study(
        "rim_one", "--data", str(database), "--out", str(tmp_path / "rim"), "--outlines", "first"
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "rim" / "rim_one.csv").set_index("id")
    assert table.loc["G-1-L", "horizontal"] == pytest.approx(71 / 101, abs=1e-4)


def test_a_missing_outline_is_named_and_leaves_nothing(
    run_study: Run, database: Path, tmp_path: Path
) -> None:
    (database / "Healthy" / "Average_masks" / "N-1-R-Cup-Avg.png").unlink()
    done = run_study("rim_one", "--data", str(database), "--out", str(tmp_path / "rim"))
    assert done.exit_code == 2
    assert "got 0 files N-1-R-…Cup-….png, expected one" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "rim").exists()


def test_another_folder_is_refused(run_study: Run, tmp_path: Path) -> None:
    done = run_study("rim_one", "--data", str(tmp_path), "--out", str(tmp_path / "rim"))
    assert done.exit_code == 2
    assert "expected RIM-ONE r3" in done.stderr
