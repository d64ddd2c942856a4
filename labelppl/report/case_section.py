"""The cases one by one: pictures, measurements and what each says; and the table of all of them.

`reading` is what a reader sees beside a case: each measurement with the odds that it speaks for. The table of all cases
is data for the page's script, which sorts and filters it; without scripts the listed cases stand in the page as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from ..audit.words import term_in_words

SOURCES = {
    "loo": ("without its own label", "the label model had not seen the label of the case"),
    "refit": ("fitted again without it", "the label model was fitted again without the case"),
    "crossfit": ("without its group", "the label model was fitted without the group of the case"),
    "fitted": ("label seen", "the label model had seen the label of the case, where it has one"),
    "new": ("new case", "the label model never saw the case"),
}
"""What the column `source` of labels.parquet means: in a table, and in full."""
MOST_TERMS = 8
DIGITS = 4


class CaseTable(NamedTuple):
    """All cases for the page's script: heads (text, is a number) and the rows as JSON."""

    heads: tuple[tuple[str, bool], ...]
    rows: Markup
    cases: int


def source_in_words(source: str) -> str:
    """Return what a reader calls a source of soft labels."""
    return SOURCES.get(source, (source, ""))[0]


def readings(explanations: pd.DataFrame | None, ids: set[str]) -> dict[str, tuple[str, ...]]:
    """Return, for the cases `ids`, each term of the explanation in words, the strongest first."""
    if explanations is None:
        return {}
    rows = explanations[explanations["id"].astype(str).isin(ids)]
    rows = rows[rows["kind"] != "averaging"]
    rows = rows.iloc[np.argsort(-rows["log_odds"].abs().to_numpy(), kind="stable")]
    said: dict[str, list[str]] = {}
    for row in rows.to_dict("records"):
        sentences = said.setdefault(str(row["id"]), [])
        if len(sentences) < MOST_TERMS:
            sentences.append(
                term_in_words(
                    row["term"],
                    row["kind"],
                    row["cell"],
                    row["log_odds"],
                    row["class"],
                    row["against"],
                )
            )
    return {case: tuple(sentences) for case, sentences in said.items()}


def case_table(
    labels: pd.DataFrame | None, predictions: pd.DataFrame | None, classes: tuple[str, ...]
) -> CaseTable | None:
    """Return every case: given label, what the label model and the student find, and how sure they are."""
    if labels is None and predictions is None:
        return None
    columns: dict[str, Any] = {}
    student = None if predictions is None else _student(predictions, classes)
    if labels is None:
        assert predictions is not None
        columns["Case"] = predictions["id"].astype(str).tolist()
        columns["Given label"] = _text(predictions["label"])
    else:
        probs = labels[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
        codes = np.asarray(pd.Index(classes).get_indexer(pd.Index(labels["label"])))
        own = np.where(codes >= 0, probs[np.arange(len(probs)), np.maximum(codes, 0)], np.nan)
        names = np.array(classes, dtype=object)
        columns["Case"] = labels["id"].astype(str).tolist()
        columns["Given label"] = _text(labels["label"])
        columns["Label model"] = names[probs.argmax(axis=1)].tolist()
        columns["Its probability"] = _numbers(probs.max(axis=1))
        columns["Of the given label"] = _numbers(own)
        columns["Doubt, nats"] = _numbers(labels["entropy"].to_numpy(dtype=np.float64))
        columns["Soft label"] = [source_in_words(str(source)) for source in labels["source"]]
    if student is not None:
        mine = [student.get(case) for case in columns["Case"]]
        columns["Student"] = [None if row is None else row[0] for row in mine]
        columns["Student's probability"] = [None if row is None else row[1] for row in mine]
    rows = list(zip(*columns.values(), strict=True))
    heads = tuple(
        (name, any(isinstance(value, float) for value in values))
        for name, values in columns.items()
    )
    return CaseTable(heads, script_data(rows), len(rows))


def script_data(value: Any) -> Markup:
    """Return JSON that stays data inside a script element, whatever text it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for mark, escape in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(mark, escape)
    return Markup(text)


def _student(
    predictions: pd.DataFrame, classes: tuple[str, ...]
) -> Mapping[str, tuple[str, float]]:
    probs = predictions[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    best = probs.argmax(axis=1)
    return {
        str(case): (classes[k], round(float(p), DIGITS))
        for case, k, p in zip(predictions["id"], best, probs.max(axis=1), strict=True)
    }


def _text(column: pd.Series[Any]) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in column]


def _numbers(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), DIGITS) for value in values]
