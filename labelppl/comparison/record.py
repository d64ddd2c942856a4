"""`Comparison`: what `compare` returns and writes.

compare.csv: one row per method and repeat. compare.md: means with intervals, and differences to
hard. compare.json: all of it, with the settings and the notes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..metrics.listed import metric_named
from ..runs import read_json, write_atomically, write_json, write_text

TABLE_METRICS = (
    "accuracy",
    "macro_accuracy",
    "auc",
    "nll",
    "brier",
    "ece",
    "hl_p",
    "kl",
    "kl_true",
)
"""Columns of compare.md where none are asked for."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` returns: the test metrics of every method and repeat, and their summary.

    Attributes:
        rows: method, repeat and the metrics, one row per method and repeat.
        summary: method, metric, mean, lo, hi, difference (to hard), difference_lo, difference_hi, repeats.
        runs: method, repeat, seconds, epochs (of all steps, the teacher's included), lam.
        settings: What all methods shared; `columns` among them are the keys that compare.md shows, None = the usual ones.
        notes: What the reader should know.

    Examples:
        >>> rows = pd.DataFrame({"method": ["hard", "prob"], "repeat": [0, 0], "accuracy": [0.80, 0.84]})
        >>> summary = pd.DataFrame({"method": ["hard", "prob"], "metric": "accuracy", "mean": [0.80, 0.84]})
        >>> Comparison(rows, summary, pd.DataFrame()).mean("prob", "accuracy")
        0.84
    """

    rows: pd.DataFrame
    summary: pd.DataFrame
    runs: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per method and repeat."""
        return self.rows

    def mean(self, method: str, metric: str) -> float:
        """The mean of a metric over repeats. Raises KeyError where there is none."""
        row = self.summary[(self.summary["method"] == method) & (self.summary["metric"] == metric)]
        if row.empty:
            raise KeyError(f"{method}, {metric}")
        return float(row["mean"].iloc[0])

    def to_markdown(self) -> str:
        """Both tables, their captions and the notes."""
        table = self.summary.set_index(["method", "metric"])
        methods = list(dict.fromkeys(self.summary["method"]))
        known = set(self.summary["metric"])
        shown = [key for key in self.settings.get("columns") or TABLE_METRICS if key in known]
        repeats = self.settings.get("repeats", "?")
        lines = [
            f"# Comparison of {len(methods)} methods, {repeats} repeats",
            "",
            "Mean over repeats on test cases, with 95 % interval over repeats and groups of cases.",
            "",
            *_table(["method", *shown], [
                [m, *(_cell(table.loc[(m, key)], "mean", "lo", "hi") for key in shown)]
                for m in methods
            ]),
            "",
            "Difference to hard labels, paired over repeats and cases, with 95 % interval; bold "
            "where it excludes 0.",
            "",
        ]  # fmt: skip
        compared = [key for key in shown if metric_named(key).interval is not None]
        ends = ("difference", "difference_lo", "difference_hi")
        lines += _table(
            ["method", *compared],
            [
                [m, *(_cell(table.loc[(m, key)], *ends, bold=True) for key in compared)]
                for m in methods
                if m != "hard"
            ],
        )
        if "accuracy_bayes" in self.rows:
            best = self.rows.groupby("repeat")["accuracy_bayes"].first().mean()
            lines += ["", f"Accuracy of the true p(Y|X) on the same cases: {best:.3f}."]
        lines += ["", *(f"- {key}: {metric_named(key).meaning}" for key in shown)]
        if self.notes:
            lines += ["", "Notes", "", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The content of compare.json."""
        return {
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "rows": _records(self.rows),
            "summary": _records(self.summary),
            "runs": _records(self.runs),
        }

    def save(self, folder: Path | str) -> None:
        """Write compare.csv, compare.md and compare.json, each whole or not at all."""
        target = Path(folder)
        write_atomically(target / "compare.csv", lambda path: self.rows.to_csv(path, index=False))
        write_text(target / "compare.md", self.to_markdown())
        write_json(target / "compare.json", self.to_dict())

    @classmethod
    def load(cls, folder: Path | str) -> Comparison:
        """Read compare.json. Raises InputError where there is none."""
        path = Path(folder) / "compare.json"
        flat = read_json(path)
        if not {"rows", "summary", "runs"} <= set(flat):
            raise InputError(f"{path}: no comparison, expected one; run labelppl compare")
        return cls(
            pd.DataFrame(flat["rows"]),
            pd.DataFrame(flat["summary"]),
            pd.DataFrame(flat["runs"]),
            flat["settings"],
            tuple(flat["notes"]),
        )


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    rows = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _cell(row: Any, mid: str, lo: str, hi: str, bold: bool = False) -> str:
    if pd.isna(row[mid]):
        return "–"
    number = f"{row[mid]:+.3f}" if bold else f"{row[mid]:.3f}"
    if pd.isna(row[lo]):
        return number
    sure = bold and (row[lo] > 0 or row[hi] < 0)
    text = f"{number} [{row[lo]:.3f}, {row[hi]:.3f}]"
    return f"**{text}**" if sure else text


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; NaN, which JSON has not, is null."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows
