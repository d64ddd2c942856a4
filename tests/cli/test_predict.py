"""``predict`` takes image files, folders of them, or a table that names them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

QUICK = ("--student", "logistic", "--epochs", 1, "--lam", 1, "--quiet")


@pytest.fixture(scope="module")
def run(hips: Path, labelppl: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with a student."""
    folder = Path(shutil.copytree(hips, tmp_path_factory.mktemp("predict") / "hip"))
    shutil.rmtree(folder / "r", ignore_errors=True)
    done = labelppl("distill", "--model", "hip.py", *QUICK, "--run", "r", folder=folder)
    assert done.exit_code == 0, done.output
    return folder


def _predict(labelppl: Any, folder: Path, *arguments: object) -> pd.DataFrame:
    done = labelppl("predict", *arguments, "--out", "p.csv", folder=folder)
    assert done.exit_code == 0, done.output
    return pd.read_csv(folder / "p.csv")


def test_a_folder_stands_for_its_images(run: Path, labelppl: Any) -> None:
    paths = sorted(path.relative_to(run) for path in (run / "images").glob("*.png"))
    (run / "images" / "notes.txt").write_text("no image")
    one = _predict(labelppl, run, "--run", "r", *paths)
    pd.testing.assert_frame_equal(one, _predict(labelppl, run, "--run", "r", "images"))
    assert one["id"].tolist() == [str(path) for path in paths]


def test_a_table_names_its_images_and_keeps_its_ids(run: Path, labelppl: Any) -> None:
    table = pd.read_csv(run / "hip.csv")
    new = pd.DataFrame({"id": range(100, 104), "image": table["image"][:4], "note": "new"})
    new.to_csv(run / "new.csv", index=False)
    new.to_parquet(run / "new.parquet", index=False)
    new.to_csv(run / "semicolons.csv", index=False, sep=";")
    by_path = _predict(labelppl, run, "--run", "r", *new["image"])
    by_table = _predict(labelppl, run, "--run", "r", "new.csv")
    assert len(new.merge(by_table, on="id")) == len(new)
    pd.testing.assert_frame_equal(by_table.drop(columns="id"), by_path.drop(columns="id"))
    pd.testing.assert_frame_equal(by_table, _predict(labelppl, run, "--run", "r", "new.parquet"))
    semicolons = _predict(labelppl, run, "--run", "r", "semicolons.csv", "--separator", ";")
    pd.testing.assert_frame_equal(by_table, semicolons)
    new.drop(columns="id").to_csv(run / "nameless.csv", index=False)
    nameless = _predict(labelppl, run, "--run", "r", "nameless.csv")
    assert nameless["id"].tolist() == new["image"].tolist()


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (("empty",), "empty: holds no image"),
        (("hip.csv", "images"), "hip.csv: is a table"),
        (("empty.csv",), "column 'image', row 2"),
        (("none.csv",), "none.csv: has no column 'image'"),
        (("gone.csv",), "gone.csv: no such"),
    ],
)
def test_what_names_no_images_is_refused_in_one_line(
    run: Path, labelppl: Any, stated: tuple[str, ...], words: str
) -> None:
    pd.DataFrame({"id": [1, 2], "image": ["a.png", None]}).to_csv(run / "empty.csv", index=False)
    (run / "empty").mkdir(exist_ok=True)
    pd.DataFrame({"id": [1]}).to_csv(run / "none.csv", index=False)
    done = labelppl("predict", "--run", "r", *stated, "--out", "bad.csv", folder=run)
    assert done.exit_code == 2, done.output
    assert len(done.output.splitlines()) == 1, done.output
    assert words in done.output
    assert not (run / "bad.csv").exists()


def test_progress_counts_the_images(run: Path) -> None:
    from labelppl.students.load import load_student

    told: list[tuple[int, int]] = []
    paths = sorted((run / "images").glob("*.png"))[:5]
    load_student(run / "r").predict(paths, batch=2, progress=lambda *n: told.append(n))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_an_interval_reaches_predict_evaluate_report_and_export(
    own_hips: Path, labelppl: Any
) -> None:
    """Folds that choose lambda measure it, also where lambda is infinite and the weights have no posterior."""
    distil = [
        "distill",
        "--model",
        "hip.py",
        "--epochs",
        1,
        "--grid",
        "inf",
        "--run",
        "r",
        "--quiet",
    ]
    for words in (distil, ["export", "--run", "r", "--out", "s.onnx"]):
        done = labelppl(*words, folder=own_hips)
        assert done.exit_code == 0, done.output
    interval = json.loads((own_hips / "r" / "student.json").read_text())["interval"]
    assert interval["source"] == "cross-validation"
    tested = pd.read_parquet(own_hips / "r" / "predictions.parquet").set_index("id")
    ends = ["lo_normal", "hi_normal", "lo_dysplastic", "hi_dysplastic"]
    assert (tested["lo_normal"] < tested["hi_normal"]).all()
    page = (own_hips / "r" / "report.html").read_text()
    assert re.search(
        r"The 90 % interval of a probability is 0\.\d\d wide on average; it holds the soft label in \d+%",
        page,
    )
    frame = _predict(labelppl, own_hips, "--run", "r", "hip.csv").set_index("id")
    np.testing.assert_allclose(frame.loc[tested.index, ends], tested[ends], atol=1e-6)
    ported = _predict(labelppl, own_hips, "--onnx", "s.onnx", "hip.csv").set_index("id")
    np.testing.assert_allclose(ported[ends], frame[ends], atol=1e-4)
