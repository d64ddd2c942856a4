"""A run knows every table that it was made from, and how the tables of later commands are written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from labelppl.cli import main

VOTES = [
    (i, rater, "yes" if (i + shift) % 2 else "no")
    for i in range(12)
    for rater, shift in (("r", 0), ("s", 0), ("t", i // 6))
]


def _hips(folder: Path) -> pd.DataFrame:
    """A finished run ``r`` on a table with semicolons, whose ids are numbers."""
    assert _run("simulate", "hip", "--out", ".", "--cases", "45", "--size", "32").exit_code == 0
    table = pd.read_csv("hip.csv")
    table["id"] = range(100, 100 + len(table))
    table["side"] = ["left", "right", "left"] * 15
    table.to_csv("hip.csv", sep=";", index=False)
    done = _run(
        "distill", "--model", "hip.py", "--separator", ";", "--image-size", "32", "--epochs", "1",
        "--lam", "1", "--quiet", "--run", "r",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return table


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"id": range(12), "truth": [None] * 12, "split": "train"}).to_csv(
        "t.csv", index=False
    )
    pd.DataFrame(VOTES, columns=["id", "rater", "label"]).to_csv("t_votes.csv", index=False)
    assert (
        _run("fit", "--model", "dawid_skene", "--data", "t.csv", "--run", "r", "--quiet").exit_code
        == 0
    )
    return tmp_path


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda votes: votes.write_text(votes.read_text() + "11,u,no\n"), "t_votes.csv: has changed"),
        (lambda votes: votes.unlink(), "t_votes.csv: is gone"),
    ],
    ids=["changed", "gone"],
)  # fmt: skip
def test_votes_beside_the_table_are_part_of_what_a_run_was_made_from(
    crowd: Path, change: object, words: str
) -> None:
    assert _run("label", "--run", "r").exit_code == 0
    change(crowd / "t_votes.csv")  # type: ignore[operator]
    refused = _run("label", "--run", "r")
    assert refused.exit_code == 2
    assert words in refused.output


def test_later_commands_read_a_table_as_it_is_written_and_keep_the_type_of_its_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = _hips(tmp_path)
    ids = pd.read_parquet("r/predictions.parquet")["id"]
    assert ids.dtype == "int64"
    assert set(ids) == set(table.loc[table["split"] == "test", "id"])
    assert _run("evaluate", "--run", "r", "--by", "side").exit_code == 0
    table.to_csv("bars.csv", sep="|", index=False)
    for command in (("evaluate",), ("recalibrate", "--map", "temperature")):
        refused = _run(*command, "--run", "r", "--data", "bars.csv")
        assert refused.exit_code == 2
        assert "separated by bars" in refused.output
        done = _run(*command, "--run", "r", "--data", "bars.csv", "--separator", "|")
        assert done.exit_code == 0, done.output
