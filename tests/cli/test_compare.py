"""``compare`` writes the three files of the contract, resumes, and refuses what it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


def test_compare_writes_its_table_and_resumes_without_training_again(
    own_hips: Path, labelppl
) -> None:  # type: ignore[no-untyped-def]
    common = [
        "compare",
        "--model",
        "hip.py",
        "--methods",
        "hard,prob,reg",
        "--epochs",
        1,
        "--lam",
        1,
        "--quiet",
        "--out",
        "c",
    ]
    first = labelppl(*common, "--repeats", 1, folder=own_hips)
    assert first.exit_code == 0, first.output
    folder = own_hips / "c"
    table = pd.read_csv(folder / "compare.csv")
    assert list(table["method"]) == ["hard", "prob", "reg"]
    assert set(table["repeat"]) == {0}
    assert {"accuracy", "nll", "ece", "kl", "kl_true"} <= set(table.columns)
    assert "hard" in (folder / "compare.md").read_text()
    json.loads((folder / "compare.json").read_text())
    more = labelppl(*common, "--repeats", 2, "--resume", folder=own_hips)
    assert more.exit_code == 0, more.output
    longer = pd.read_csv(folder / "compare.csv")
    assert len(longer) == 6
    pd.testing.assert_frame_equal(longer[longer["repeat"] == 0].reset_index(drop=True), table)


def test_unknown_method_is_refused_before_anything_is_written(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    result = labelppl(
        "compare", "--model", "hip.py", "--methods", "hard,magic", "--out", "c", folder=own_hips
    )
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert "magic" in result.output
    assert not (own_hips / "c").exists()


def test_a_share_is_not_cut_where_the_table_has_the_split(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    refused = labelppl("compare", "--model", "hip.py", "--test-share", 0.5, "--out", "c", folder=own_hips)  # fmt: skip
    assert refused.exit_code == 2
    assert "--test-share: the table names its own cases" in refused.output
    assert not (own_hips / "c").exists()


def test_students_that_workers_keep_predict_what_the_table_says(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    """`--jobs 2 --keep-students`: the rows and the students' bytes of one process, and each student answers a command."""
    common = [
        "compare", "--label", "diagnosis", "--data", "hip.csv", "--methods", "hard,smooth", "--repeats", 1,
        "--epochs", 1, "--student", "logistic", "--quiet", "--keep-students",
    ]  # fmt: skip
    for folder, jobs in (("serial", 1), ("workers", 2)):
        done = labelppl(*common, "--jobs", jobs, "--out", folder, folder=own_hips)
        assert done.exit_code == 0, done.output
    one, two = (pd.read_csv(own_hips / name / "compare.csv") for name in ("serial", "workers"))
    pd.testing.assert_frame_equal(one, two, rtol=1e-6)
    images = pd.read_csv(own_hips / "hip.csv", dtype={"id": str}).set_index("id")["image"]
    for method in ("hard-0", "smooth-0"):
        part = own_hips / "workers" / "parts" / method
        written = pd.read_parquet(part.with_name(f"{method}.parquet")).set_index("id")
        asked = [own_hips / images[name] for name in written.index]
        answer = labelppl("predict", "--run", part, "--out", own_hips / f"{method}.csv", *asked)
        assert answer.exit_code == 0, answer.output
        probs = pd.read_csv(own_hips / f"{method}.csv")[list(written.columns)].to_numpy()
        np.testing.assert_allclose(probs, written.to_numpy(), atol=1e-6)
