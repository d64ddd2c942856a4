"""A Parquet file that is too long to be labelled in one piece gets its labels in batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_a_long_file_is_labelled_in_batches(
    run: Path, hips: Path, labelppl: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(hips / "hip.csv").drop(columns=["diagnosis", "image"])
    frame.assign(id=frame["id"] + "new").to_parquet(tmp_path / "new.parquet")
    call = ("label", "--run", run, "--data", tmp_path / "new.parquet", "--out")
    whole = labelppl(*call, tmp_path / "whole.parquet")
    monkeypatch.setattr("labelppl.jobs.label.MOST_AT_ONCE", len(frame) - 1)
    batched = labelppl(*call, tmp_path / "batched.parquet")
    assert "in batches" not in whole.output
    assert f"{len(frame)} soft labels, made in batches" in batched.output
    one, other = (pd.read_parquet(tmp_path / f"{x}.parquet") for x in ("whole", "batched"))
    assert list(one.columns) == list(other.columns)
    assert list(one["id"]) == list(other["id"])
    # Batches use 200 draws, not all: their Monte Carlo error is at most sd / sqrt(200) per case.
    error = np.abs(one["p_dysplastic"] - other["p_dysplastic"]) / one["sd_dysplastic"]
    assert error.max() < 4 / np.sqrt(200)


def test_batches_carry_an_estimated_prevalence_as_the_whole_table_does(
    run: Path, hips: Path, labelppl: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(hips / "hip.csv").drop(columns="image")
    frame.assign(id=frame["id"] + "new").to_csv(tmp_path / "new.csv", index=False)
    call = ("label", "--run", run, "--data", tmp_path / "new.csv", "--prevalence", "auto", "--out")
    whole = labelppl(*call, tmp_path / "whole.parquet")
    monkeypatch.setattr("labelppl.jobs.label.MOST_AT_ONCE", 10)
    batched = labelppl(*call, tmp_path / "batched.parquet", "--draws", 1000)
    assert whole.exit_code == batched.exit_code == 0, batched.output
    assert f"among {len(frame)} new cases" in batched.output
    one, other = (pd.read_parquet(tmp_path / f"{x}.parquet") for x in ("whole", "batched"))
    np.testing.assert_allclose(one["p_dysplastic"], other["p_dysplastic"], atol=1e-12)
    assert one.attrs["prevalence"] == other.attrs["prevalence"]
