"""How a text table is written is said once and kept with the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

MODEL = """
from labelppl import Label, Real
from labelppl.families import gaussian

m = gaussian(y=Label("n", "d"), a=Real())
"""


def test_separator_and_decimal_comma_stay_with_the_run(tmp_path: Path, labelppl: Any) -> None:
    (tmp_path / "m.py").write_text(MODEL)
    rows = "".join(f"{i};{i % 2 * 3 + i / 10};{'nd'[i % 2]}\n".replace(".", ",") for i in range(20))
    (tmp_path / "m.csv").write_text(f"id;a;y\n{rows}")
    fit = ("fit", "--model", "m.py", "--run", "r", "--quiet")
    refused = labelppl(*fit, folder=tmp_path)
    assert refused.exit_code == 2
    assert "give --separator ';' --decimal ','" in refused.output
    done = labelppl(*fit, "--separator", ";", "--decimal", ",", folder=tmp_path)
    assert done.exit_code == 0, done.output
    data = json.loads((tmp_path / "r" / "run.json").read_text())["data"]
    assert (data["separator"], data["decimal"]) == (";", ",")
    assert labelppl("label", "--run", "r", folder=tmp_path).exit_code == 0
    labels = pd.read_parquet(tmp_path / "r" / "labels.parquet")
    assert labels["id"].dtype == "int64"
    own = pd.read_csv(tmp_path / "m.csv", sep=";", decimal=",")
    assert len(own.merge(labels, on="id")) == 20
    (tmp_path / "new.csv").write_text("id,a\n90,2.5\n91,.1\n")
    new = ("label", "--run", "r", "--data", "new.csv", "--out", "new.parquet")
    assert "separated by commas" in labelppl(*new, folder=tmp_path).output
    assert labelppl(*new, "--separator", ",", folder=tmp_path).exit_code == 0
    assert pd.read_parquet(tmp_path / "new.parquet")["id"].tolist() == [90, 91]
