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
from labelppl.phantoms import PHANTOMS, HipPopulation, Liver, Organs, simulate
from labelppl.phantoms.hip_image import render
from labelppl.phantoms.simulate import _split, _usual_test


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_table_and_pictures_agree(tmp_path: Path) -> None:
    out = simulate("hip", tmp_path / "deep" / "hips", cases=20, seed=1, size=64)
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
    assert sorted(path.name for path in out.iterdir()) == ["hip.csv", "hip.py", "images"]
    assert [path.name for path in out.parent.iterdir()] == ["hips"]


def test_the_seed_decides_every_byte(tmp_path: Path) -> None:
    first, again, other = (
        contents(simulate("hip", tmp_path / name, cases=6, seed=seed, size=32))
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == again
    assert all(first[name] != other[name] for name in first if name != "hip.py")


@pytest.mark.parametrize(
    ("cases", "test"), [(2, 1), (3, 1), (10, 3), (99, 29), (612, 183), (1000, 300)]
)
def test_split_has_exact_counts(cases: int, test: int) -> None:
    assert _usual_test(cases) == test
    split = _split(cases, test, seed=0)
    assert (split == "test").sum() == test
    assert (split == "train").sum() == cases - test
    assert cases < 10 or (split != _split(cases, test, seed=1)).any()


def test_the_model_file_stands_beside_the_table(tmp_path: Path) -> None:
    from labelppl.model import find_model

    out = simulate("hip", tmp_path / "hips", cases=2, size=32)
    assert (out / "hip.py").read_text() == find_model("hip").read_text()
    wrong = simulate("hip", tmp_path / "wrong", cases=2, size=32, misspecified=True)
    assert "coverage=" not in (wrong / "hip.py").read_text()
    assert (wrong / "hip.csv").read_bytes() == (out / "hip.csv").read_bytes()


def test_an_empty_folder_is_filled_in_place(tmp_path: Path) -> None:
    out = tmp_path / "hips"
    out.mkdir()
    before = out.stat().st_ino
    simulate("hip", out, cases=2, size=32)
    assert out.stat().st_ino == before
    assert (out / "hip.csv").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["hips"]


def test_interruption_leaves_nothing(tmp_path: Path) -> None:
    calls = []

    class Interrupted(HipPopulation):
        def draw(self, *arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return super().draw(*arguments)

    with pytest.raises(KeyboardInterrupt):
        simulate(Interrupted(), tmp_path / "hips", cases=5, size=32)
    assert list(tmp_path.iterdir()) == []


def test_the_test_split_has_the_size_asked_for(tmp_path: Path) -> None:
    for test, expected in ((None, 3), (7, 7)):
        out = simulate("hip", tmp_path / str(test), cases=10, size=32, test=test)
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
        ({"out": tmp_path / "new", "cases": 10**12}, "cases: got 1000000000000, expected from 2"),
        ({"out": tmp_path / "new", "size": 10**6}, "size: got 1000000, expected from 32 to 8192"),
        ({"out": tmp_path / "new", "phantom": "knee"}, "phantom 'knee': expected one of hip"),
        ({"out": tmp_path / "new", "phantom": 3}, "phantom: got int, expected a name or"),
        ({"out": full / "notes.txt" / "below"}, "is a file, expected a folder"),
    )
    for arguments, said in cases:
        with pytest.raises(InputError, match=f"^[^\n]*{said}[^\n]*$"):
            simulate(**({"phantom": "hip"} | arguments))
    assert contents(tmp_path) == {"full/notes.txt": b"keep me"}
    assert not (tmp_path / "new").exists()


def test_phantoms_need_neither_pyro_nor_torch() -> None:
    check = (
        "import sys, labelppl.phantoms; sys.exit('pyro' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


class Mine(Liver):
    """A phantom of the user's own, spoiled as asked."""

    name = "mine"

    def __init__(self, **spoil: Any) -> None:
        self.spoil = spoil

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        table = super().sample(n, seed)
        for column, values in self.spoil.get("columns", {}).items():
            table[column] = values
        return table.drop(columns=self.spoil.get("drop", [])).iloc[
            self.spoil.get("rows", slice(None))
        ]

    def draw(self, case: Any, seed: int, size: int) -> Any:
        return self.spoil.get("picture", super().draw(case, seed, size))


def test_a_phantom_of_ones_own_makes_a_data_set(tmp_path: Path) -> None:
    out = simulate(Mine(), tmp_path / "out", cases=3, size=32)
    assert sorted(path.name for path in out.iterdir()) == ["images", "mine.csv", "mine.py"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"drop": ["id"]}, "has no column 'id'"),
        ({"drop": ["diagnosis"]}, "has no column 'diagnosis'"),
        ({"drop": ["p_true_normal", "p_true_fatty"]}, "has no column 'p_true_<class>'"),
        ({"columns": {"id": "same"}}, "got 1 cases of one id each, expected 3"),
        ({"rows": slice(2)}, "got 2 cases"),
        ({"columns": {"p_true_fatty": 2.0}}, "do not sum to 1"),
        ({"picture": np.zeros((32, 32))}, "got a picture of float64"),
        ({"picture": np.zeros((32, 31), np.uint8)}, r"shape \(32, 31\)"),
    ],
)
def test_a_phantom_that_breaks_its_promise_is_refused(
    tmp_path: Path, spoil: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=f"^phantom 'mine': .*{words}"):
        simulate(Mine(**spoil), tmp_path / "out", cases=3, size=32)
    assert list(tmp_path.iterdir()) == []


def test_the_command_lists_and_takes_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner
    from labelppl.cli import main

    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    listed = run(main, ["simulate", "--list"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(PHANTOMS)
    Path("own.py").write_text(
        "from labelppl.phantoms import Organs\nclass Own(Organs):\n    name = 'own'\n"
    )
    arguments = ["simulate", "own.py:Own", "--out", "o", "--cases", "4", "--size", "32"]
    made = run(main, [*arguments, "--classes", "7", "--misspecified"], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    assert "labelppl distill --model own.py" in made.output
    assert len([c for c in pd.read_csv("o/own.csv") if c.startswith("p_true_")]) == 7
    missing = Organs(7).left_out()
    assert all(f"{name}=" not in Path("o/own.py").read_text() for name in missing)
