"""Cases with several images through the commands: one answer for each case, whatever names the images."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from PIL import Image

from labelppl.images.by_case import ImagesByCase
from labelppl.images.read import read_images
from labelppl.students.load import load_student

Run = Callable[..., Result]
QUICK = ("--epochs", 2, "--lam", 1, "--augment", "none", "--quiet")


def _columns(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "hip.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def scans(hips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hips of which case i has 1 + i % 3 images, one row each, in `hip.csv`; in one cell each in `cells.csv`."""
    folder = tmp_path_factory.mktemp("several") / "hips"
    shutil.copytree(hips, folder, ignore=shutil.ignore_patterns("runs"))
    rng = np.random.default_rng(0)
    table = _columns(folder)
    rows, cells = [], []
    for i, row in table.iterrows():
        names = [row["image"]]
        pixels = np.asarray(Image.open(folder / row["image"])).astype(float)
        for k in range(int(i) % 3):  # type: ignore[call-overload]
            names.append(row["image"].replace(".png", f"-{k}.png"))
            again = np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(again).save(folder / names[-1])
        rows += [{**row, "image": name} for name in names]
        cells.append({**row, "image": " | ".join(names)})
    pd.DataFrame(rows).to_csv(folder / "hip.csv", index=False)
    pd.DataFrame(cells).to_csv(folder / "cells.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def several(scans: Path, labelppl: Run) -> Path:
    """The run of `hip.csv`."""
    result = labelppl("distill", "--model", "hip.py", *QUICK, "--run", "several", folder=scans)
    assert result.exit_code == 0, result.output
    return scans / "several"


def _weights(run: Path) -> str:
    return hashlib.sha256((run / "student.safetensors").read_bytes()).hexdigest()


def test_a_row_for_each_image_and_a_cell_with_all_paths_are_the_same(
    scans: Path, several: Path, labelppl: Run
) -> None:
    result = labelppl(
        "distill", "--model", "hip.py", "--data", "cells.csv", *QUICK, "--run", "cells",
        folder=scans,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert _weights(scans / "cells") == _weights(several)
    for run in (several, scans / "cells"):
        assert len(pd.read_parquet(run / "labels.parquet")) == 60
        assert len(pd.read_parquet(run / "predictions.parquet")) == (
            _columns(scans).drop_duplicates("id")["split"].eq("test").sum()
        )
        said = json.loads((run / "metrics.json").read_text())
        assert said["n"] == len(pd.read_parquet(run / "predictions.parquet"))
        assert any("the mean of its images" in note for note in said["notes"])
        page = (run / "report.html").read_text()
        assert "the mean of its images" in page
        shown = _columns(scans)["split"].eq("train").sum()
        assert f"({shown} images), " in page
    training = json.loads((several / "student.json").read_text())["training"]
    assert training["images_per_case"]["most"] == 3


def test_the_split_is_of_cases_and_whoever_has_one_image_gets_the_bytes_of_ever(
    scans: Path, hips: Path, several: Path, run: Path, labelppl: Run
) -> None:
    """The soft labels are those of the table with one image each; so is the whole run on one image each."""
    labels = [pd.read_parquet(folder / "labels.parquet") for folder in (several, run)]
    pd.testing.assert_frame_equal(*labels)
    one = _columns(scans).drop_duplicates("id")
    one.to_csv(scans / "one.csv", index=False)
    result = labelppl(
        "distill", "--model", "hip.py", "--data", "one.csv", "--epochs", 1, "--lam", 1, "--quiet",
        "--run", "one", folder=scans,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert _weights(scans / "one") == _weights(run)


def test_predict_pools_the_logits_of_a_case(scans: Path, several: Path, labelppl: Run) -> None:
    """Against the network alone, image after image."""
    out = scans / "p.csv"
    result = labelppl("predict", "--run", several, "--out", out, scans / "hip.csv")
    assert result.exit_code == 0, result.output
    assert "120 images of 60 cases (1 to 3 each)" in result.output
    table = pd.read_csv(out, dtype={"id": str}).set_index("id")
    student = load_student(several)
    bare = load_student(several)
    for case, rows in list(_columns(scans).groupby("id", sort=False))[:9]:
        files = [scans / name for name in rows["image"]]
        log_p = np.log(bare.predict_proba(files))
        pooled = np.exp(log_p.mean(0)) / np.exp(log_p.mean(0)).sum()
        np.testing.assert_allclose(
            table.loc[case, ["p_normal", "p_dysplastic"]].to_numpy(float), pooled, atol=1e-6
        )
    tuples = [tuple(scans / name for name in rows["image"])
              for _, rows in _columns(scans).groupby("id", sort=False)]  # fmt: skip
    whole = student.predict_proba(tuples, batch=4)
    np.testing.assert_allclose(whole, table[["p_normal", "p_dysplastic"]].to_numpy(), atol=1e-6)
    decoded = read_images([path for paths in tuples for path in paths])
    by_case = ImagesByCase.of(decoded, np.array([len(paths) for paths in tuples]))
    np.testing.assert_allclose(student.predict_proba(by_case, batch=7), whole, atol=1e-6)
    assert student.features(tuples).shape[0] == 60


def test_evaluate_audit_report_and_resume_go_by_case(
    scans: Path, several: Path, labelppl: Run
) -> None:
    before = _weights(several)
    again = labelppl(
        "distill", "--model", "hip.py", *QUICK, "--run", "several", "--resume", folder=scans
    )
    assert again.exit_code == 0, again.output
    assert _weights(several) == before
    by = labelppl("evaluate", "--run", several, "--by", "split", "--by", "images")
    assert by.exit_code == 0, by.output
    said = json.loads((several / "metrics.json").read_text())
    each = [said[f"by/images/{count}/n"] for count in (1, 2, 3)]
    assert sum(each) == said["n"]
    assert labelppl("audit", "--run", several, "--images").exit_code == 0
    pairs = pd.read_csv(several / "duplicates.csv", dtype=str)
    assert not (pairs["id"] == pairs["other"]).any()
    assert labelppl("report", "--run", several).exit_code == 0


def test_export_says_that_the_file_sees_one_image(
    scans: Path, several: Path, labelppl: Run
) -> None:
    pytest.importorskip("onnxruntime")
    exported = labelppl("export", "--run", several)
    assert exported.exit_code == 0, exported.output
    card = next(several.glob("*.md")).read_text()
    assert "1 to 3 images for each case" in card
    refused = labelppl(
        "predict", "--onnx", several / "student.onnx", "--out", scans / "o.csv", scans / "hip.csv"
    )
    assert refused.exit_code == 2
    assert "has several images" in refused.output
    one = labelppl(
        "predict", "--onnx", several / "student.onnx", "--out", scans / "o.csv",
        *(scans / name for name in _columns(scans)["image"][:3]),
    )  # fmt: skip
    assert one.exit_code == 0, one.output


def test_attention_is_learned_and_exported_without_its_score(scans: Path, labelppl: Run) -> None:
    result = labelppl(
        "distill", "--model", "hip.py", *QUICK, "--pool", "attention", "--run", "attention",
        folder=scans,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    spec = json.loads((scans / "attention" / "student.json").read_text())
    assert (spec["pool"], spec["outputs"]) == ("attention", 1)
    assert spec["training"]["laplace"].startswith("attention")
    said = json.loads((scans / "attention" / "metrics.json").read_text())
    assert any("weighted by attention" in note for note in said["notes"])
    pytest.importorskip("onnxruntime")
    exported = labelppl("export", "--run", scans / "attention")
    assert exported.exit_code == 0, exported.output


def test_compare_has_a_row_for_each_case_and_leaves_out_what_mixes_images(
    scans: Path, labelppl: Run
) -> None:
    result = labelppl(
        "compare", "--model", "hip.py", "--methods", "hard,prob,reg", "--repeats", 1, "--epochs", 1,
        "--lam", 1, "--student", "logistic", "--quiet", "--run", "compared", folder=scans,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    part = pd.read_parquet(scans / "compared" / "parts" / "prob-0.parquet")
    assert len(part) == part["id"].nunique() == _columns(scans).drop_duplicates("id")["split"].eq("test").sum()  # fmt: skip
    for command, option in (("compare", "--methods"), ("distill", "--target")):
        refused = labelppl(
            command, "--model", "hip.py", option, "mixup", "--epochs", 1, "--run", f"{command}-mixed",
            folder=scans,
        )  # fmt: skip
        assert refused.exit_code == 2, refused.output
        assert "mixes the images" in refused.output


def test_rows_of_one_case_that_differ_elsewhere_are_refused(scans: Path, labelppl: Run) -> None:
    table = _columns(scans)
    row = int(table.index[table["id"].duplicated()][0])
    for column, value, words in (
        ("alpha", "33.3", "rows that differ in 'image' alone, these in 'alpha' too"),
        ("split", "val", "rows that differ in 'image' alone, these in 'split' too"),
        ("image", table.loc[row - 1, "image"], "several images of one case"),
        ("image", "", "a path relative to the table"),
    ):
        spoilt = table.copy()
        spoilt.loc[row, column] = value
        spoilt.to_csv(scans / "spoilt.csv", index=False)
        refused = labelppl(
            "distill", "--model", "hip.py", "--data", "spoilt.csv", *QUICK, "--run", "spoilt",
            folder=scans,
        )  # fmt: skip
        assert refused.exit_code == 2, refused.output
        assert words in refused.output
    cells = pd.read_csv(scans / "cells.csv", dtype=str)
    cells.loc[1, "image"] = cells.loc[1, "image"].split(" | ")[0] + " | "
    cells.to_csv(scans / "spoilt.csv", index=False)
    refused = labelppl("distill", "--model", "hip.py", "--data", "spoilt.csv", *QUICK, folder=scans)
    assert refused.exit_code == 2
    assert "a path relative to the table" in refused.output
