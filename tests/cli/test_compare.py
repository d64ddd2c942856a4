"""``compare`` writes the three files of the contract, resumes, and refuses what it does not know."""

from __future__ import annotations

import json
from pathlib import Path

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
