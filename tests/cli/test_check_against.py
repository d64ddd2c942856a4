"""`labelppl check --against`: the command prints which model predicts the labels better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

MODEL = """from labelppl import Label, Real
from labelppl.families import gaussian

model = gaussian(y=Label("no", "yes"), a=Real())
"""


def test_the_command_prints_the_scores(labelppl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    y = rng.random(60) < 0.5
    label = np.where(y, "yes", "no")
    table = pd.DataFrame({"a": y * 2.0 + rng.normal(size=60), "b": rng.normal(size=60), "y": label})
    table.assign(split="train").to_csv(tmp_path / "cases.csv", index=False)
    (tmp_path / "one.py").write_text(MODEL)
    (tmp_path / "two.py").write_text(MODEL.replace("a=Real()", "b=Real()"))
    result = labelppl(
        *("check", "--model", tmp_path / "one.py", "--data", tmp_path / "cases.csv"),
        *("--against", tmp_path / "two.py", "--run", tmp_path / "run"),
    )
    assert result.exit_code == 0, result.output
    assert "leave-one-out log score of one" in result.output
    assert "highest leave-one-out log score: one" in result.output
