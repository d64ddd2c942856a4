"""What the label model believes: the doubtful cases, the doubted labels, the cases to distrust.

doubtful   the largest entropy of the label posterior's mean
doubted    the given label is not the class the label model finds most probable
distrust   Pareto k̂ ≥ .7: leave-one-out of that case is not to be trusted
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ..plots.labels import forest, label_histogram
from .case_section import SOURCES, source_in_words
from .svg import svg_of

SHOWN_CASES = 24
LISTED = 20
PICTURED = 12
KHAT = 0.7


@dataclass(frozen=True, eq=False)
class LabelSection:
    """Tables are lists of rows ready to print; counts are of all cases, not of those listed.

    `expected` is how many given labels would be doubted if the label model were right.
    """

    cases: int
    labelled: int
    mean_probs: tuple[float, ...]
    sources: tuple[tuple[str, int, str], ...]
    entropy: float
    epistemic: float
    forest: Markup
    histogram: Markup
    shown: int
    doubtful_rows: tuple[dict[str, Any], ...]
    doubted: int
    expected: float
    doubted_rows: tuple[dict[str, Any], ...]
    in_sample: bool
    distrusted: int
    distrusted_rows: tuple[dict[str, Any], ...]


def label_section(labels: pd.DataFrame, classes: tuple[str, ...]) -> LabelSection:
    """Return the section for the table of `labels.parquet` (cases)."""
    probs = labels[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    codes = np.asarray(pd.Index(classes).get_indexer(pd.Index(labels["label"])))
    has = codes >= 0
    own = np.where(has, probs[np.arange(len(probs)), np.maximum(codes, 0)], np.nan)
    doubted = np.flatnonzero(has & (own < probs.max(axis=1)))
    doubted = doubted[np.argsort(own[doubted], kind="stable")]
    khat = labels["khat"].to_numpy(dtype=np.float64)
    distrusted = np.flatnonzero(khat >= KHAT)
    distrusted = distrusted[np.argsort(-khat[distrusted], kind="stable")]
    order = np.argsort(-labels["entropy"].to_numpy(), kind="stable")[:SHOWN_CASES]
    counts = labels["source"].value_counts()
    return LabelSection(
        cases=len(labels),
        labelled=int(has.sum()),
        mean_probs=tuple(float(p) for p in probs.mean(axis=0)),
        sources=tuple(
            (source_in_words(str(name)), int(count), SOURCES.get(str(name), ("", ""))[1])
            for name, count in counts.items()
        ),
        entropy=float(labels["entropy"].mean()),
        epistemic=float(labels["epistemic"].mean()),
        forest=svg_of(
            (9.4, 0.9 + 0.235 * max(len(order), 3)),
            "Label posteriors of the most doubtful cases with 90 % intervals",
            lambda axes: forest(axes, labels.iloc[order], classes),
        ),
        histogram=svg_of(
            (4.6, 3.1),
            "Histogram of all soft labels by given label",
            lambda axes: label_histogram(axes, labels, classes),
        ),
        shown=len(order),
        doubtful_rows=tuple(
            _row(labels, classes, probs, i, own[i], khat[i]) for i in order[:PICTURED]
        ),
        doubted=len(doubted),
        expected=float((1 - probs[has].max(axis=1)).sum()),
        doubted_rows=tuple(
            _row(labels, classes, probs, i, own[i], khat[i]) for i in doubted[:LISTED]
        ),
        in_sample=bool((labels["source"][has] == "fitted").any()),
        distrusted=len(distrusted),
        distrusted_rows=tuple(
            _row(labels, classes, probs, i, own[i], khat[i]) for i in distrusted[:LISTED]
        ),
    )


def _row(
    labels: pd.DataFrame,
    classes: tuple[str, ...],
    probs: np.ndarray[Any, Any],
    i: int,
    own: float,
    khat: float,
) -> dict[str, Any]:
    top = int(probs[i].argmax())
    label = labels["label"].iloc[i]
    hard = None if pd.isna(label) else str(label)
    lo, hi = (
        (None, None)
        if hard is None
        else (float(labels[f"{side}_{hard}"].iloc[i]) for side in ("lo", "hi"))
    )
    return {
        "id": str(labels["id"].iloc[i]),
        "given": hard,
        "own": None if np.isnan(own) else float(own),
        "lo": lo,
        "hi": hi,
        "believed": classes[top],
        "p": float(probs[i, top]),
        "khat": None if np.isnan(khat) else float(khat),
        "source": source_in_words(str(labels["source"].iloc[i])),
    }
