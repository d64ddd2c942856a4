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
from matplotlib.figure import Figure

from .figure import FAINT, INK, colour, house_style, to_svg, unit_axis

SHOWN_CASES = 24
LISTED = 20
KHAT = 0.7


@dataclass(frozen=True, eq=False)
class LabelSection:
    """Tables are lists of rows ready to print; counts are of all cases, not of those listed.

    `expected` is how many given labels would be doubted if the label model were right.
    """

    cases: int
    labelled: int
    mean_probs: tuple[float, ...]
    sources: tuple[tuple[str, int], ...]
    entropy: float
    epistemic: float
    forest: Markup
    histogram: Markup
    shown: int
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
        sources=tuple((str(name), int(count)) for name, count in counts.items()),
        entropy=float(labels["entropy"].mean()),
        epistemic=float(labels["epistemic"].mean()),
        forest=_forest(labels.iloc[order], classes, codes[order]),
        histogram=_histogram(probs, codes, classes),
        shown=len(order),
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
        "source": str(labels["source"].iloc[i]),
    }


def _forest(rows: pd.DataFrame, classes: tuple[str, ...], codes: np.ndarray[Any, Any]) -> Markup:
    """One line per case: 90 % interval and mean, of the second class or of the two likeliest."""
    binary = len(classes) == 2
    with house_style():
        figure = Figure(figsize=(9.4, 0.9 + 0.235 * max(len(rows), 3)), layout="constrained")
        axes = figure.subplots()
        for place, ((_, row), label) in enumerate(zip(rows.iterrows(), codes, strict=True)):
            values = np.array([row[f"p_{name}"] for name in classes], dtype=np.float64)
            shown = [1] if binary else list(np.argsort(-values)[:2])
            for step, k in enumerate(shown):
                y = place if binary else place + 0.34 * (step - 0.5)
                known = label if binary else k
                shade = FAINT if known < 0 else colour(int(known))
                span = [row[f"lo_{classes[k]}"], row[f"hi_{classes[k]}"]]
                axes.plot(span, [y, y], color=shade, linewidth=1.8, solid_capstyle="butt")
                full = binary or k == label
                axes.plot(
                    values[k],
                    y,
                    "o",
                    color=shade,
                    markersize=5,
                    markerfacecolor=shade if full else "white",
                )
        axes.set_yticks(range(len(rows)), [_short(str(i)) for i in rows["id"]])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        axes.tick_params(axis="y", length=0)
        unit_axis(
            axes,
            f"probability of {classes[1]}, given the measurements"
            if binary
            else "probability of the two likeliest classes",
        )
        used = sorted({int(g) for g in codes} | (set() if binary else _leading(rows, classes)))
        for k in used:
            name = "unlabelled" if k < 0 else f"labelled {classes[k]}" if binary else classes[k]
            shade = FAINT if k < 0 else colour(k)
            if k >= 0 or binary:
                axes.plot([], [], "o-", color=shade, label=_short(name, 28), markersize=5)
        figure.legend(loc="outside upper left", ncols=4, fontsize=8)
        return to_svg(figure, "Label posteriors of the most doubtful cases with 90 % intervals")


def _leading(rows: pd.DataFrame, classes: tuple[str, ...]) -> set[int]:
    values = rows[[f"p_{name}" for name in classes]].to_numpy()
    return {int(k) for k in np.argsort(-values, axis=1)[:, :2].ravel()}


def _histogram(
    probs: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], classes: tuple[str, ...]
) -> Markup:
    """All soft labels, stacked by the given label."""
    binary = len(classes) == 2
    values = probs[:, 1] if binary else probs.max(axis=1)
    groups = [k for k in (-1, *range(len(classes))) if (codes == k).any()]
    with house_style():
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        axes = figure.subplots()
        axes.hist(
            [values[codes == k] for k in groups],
            bins=list(np.linspace(0, 1, 21)),
            stacked=True,
            color=[FAINT if k < 0 else colour(k) for k in groups],
            label=["unlabelled" if k < 0 else _short(classes[k], 20) for k in groups],
            edgecolor="white",
            linewidth=0.4,
        )
        unit_axis(
            axes, f"soft label of {_short(classes[1], 24)}" if binary else "largest soft label"
        )
        axes.set_ylabel("cases", color=INK)
        if len(groups) <= 8:
            figure.legend(loc="outside upper left", ncols=3, fontsize=8)
        return to_svg(figure, "Histogram of all soft labels by given label")


def _short(name: str, length: int = 22) -> str:
    """Keep the end of a long name: ids differ there."""
    return name if len(name) <= length else "…" + name[-(length - 1) :]
