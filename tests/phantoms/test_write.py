"""The data set on disk: complete or absent, the same bytes from the same seed."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelppl.errors import InputError
from labelppl.phantoms import HipPopulation, simulate_hip, write
from labelppl.phantoms.hip_image import render


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_table_and_pictures_agree(tmp_path: Path) -> None:
    out = simulate_hip(tmp_path / "deep" / "hips", cases=20, seed=1, size=64)
    table = pd.read_csv(out / "hip.csv")
    assert list(table.columns) == [
        "id",
        "image",
        "split",
        "diagnosis",
        "alpha",
        "coverage",
        "p_true_normal",
        "p_true_dysplastic",
    ]
    p_true = HipPopulation().posterior(table.alpha, table.coverage)
    with (out / "hip.csv").open(newline="") as file:  # exact, whatever parser pandas defaults to
        written = [
            [float(row["p_true_normal"]), float(row["p_true_dysplastic"])]
            for row in csv.DictReader(file)
        ]
    np.testing.assert_array_equal(written, p_true)
    seeds = np.random.SeedSequence(1).generate_state(22, np.uint64)[2:]
    for path, alpha, coverage, picture_seed in zip(
        table.image, table.alpha, table.coverage, seeds, strict=True
    ):
        with Image.open(out / path) as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(
                np.asarray(picture), render(alpha, coverage, int(picture_seed), 64)
            )
    assert sorted(path.name for path in out.iterdir()) == ["hip.csv", "images"]
    assert [path.name for path in out.parent.iterdir()] == ["hips"]


def test_the_seed_decides_every_byte(tmp_path: Path) -> None:
    first, again, other = (
        contents(simulate_hip(tmp_path / name, cases=6, seed=seed, size=32))
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == again
    assert all(first[name] != other[name] for name in first)


@pytest.mark.parametrize(
    ("cases", "test"), [(2, 1), (3, 1), (10, 3), (99, 29), (612, 183), (1000, 300)]
)
def test_split_has_exact_counts(cases: int, test: int) -> None:
    assert write._usual_test(cases) == test
    split = write._split(cases, test, seed=0)
    assert (split == "test").sum() == test
    assert (split == "train").sum() == cases - test
    assert cases < 10 or (split != write._split(cases, test, seed=1)).any()


def test_model_file_is_copied_beside_the_table(tmp_path: Path) -> None:
    model = tmp_path / "any_name.py"
    model.write_text("# a model\n")
    out = simulate_hip(tmp_path / "hips", cases=2, size=32, model_file=model)
    assert (out / "hip.py").read_text() == "# a model\n"


def test_an_empty_folder_is_filled_in_place(tmp_path: Path) -> None:
    out = tmp_path / "hips"
    out.mkdir()
    before = out.stat().st_ino
    simulate_hip(out, cases=2, size=32)
    assert out.stat().st_ino == before
    assert (out / "hip.csv").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["hips"]


def test_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(*arguments: Any) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return render(*arguments)

    monkeypatch.setattr(write, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate_hip(tmp_path / "hips", cases=5, size=32)
    assert list(tmp_path.iterdir()) == []


def test_the_test_split_has_the_size_asked_for(tmp_path: Path) -> None:
    for test, expected in ((None, 3), (7, 7)):
        out = simulate_hip(tmp_path / str(test), cases=10, size=32, test=test)
        assert (pd.read_csv(out / "hip.csv")["split"] == "test").sum() == expected


def test_bad_input_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("keep me")
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"out": full}, "not an empty folder"),
        ({"out": full / "notes.txt"}, "is a file, expected a folder"),
        ({"out": tmp_path / "new", "cases": 1}, "cases: got 1"),
        ({"out": tmp_path / "new", "size": 4}, "size: got 4"),
        ({"out": tmp_path / "new", "cases": 6, "test": 6}, "test: got 6"),
        ({"out": tmp_path / "new", "seed": -1}, "seed: got -1"),
        ({"out": tmp_path / "new", "model_file": tmp_path / "gone.py"}, "no such file"),
        ({"out": full / "notes.txt" / "below"}, "is a file, expected a folder"),
    )
    for arguments, said in cases:
        with pytest.raises(InputError, match=f"^[^\n]*{said}[^\n]*$"):
            simulate_hip(**arguments)
    assert contents(tmp_path) == {"full/notes.txt": b"keep me"}
    assert not (tmp_path / "new").exists()


def test_phantoms_need_neither_pyro_nor_torch() -> None:
    check = (
        "import sys, labelppl.phantoms; sys.exit('pyro' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
