"""How good the student is on cases it never saw, and what its probabilities are worth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from ..export.card import is_miscalibrated
from ..metrics.listed import METRICS, metric_of
from ..metrics.metrics import Metrics
from ..metrics.reliability import Reliability, reliability
from ..plots.evaluation import reliability_curve
from ..plots.style import INK, MAIN, house_style, unit_axis
from .svg import to_svg

ABBREVIATED = ("auc", "nll", "ece", "smece", "kl", "aurc", "ppv", "npv")
NAME_OF = {
    metric.key: metric.name for metric in METRICS if "_" in metric.key or metric.key in ABBREVIATED
}
"""Keys that are no words, and the names of their metrics."""
ERRORS_LISTED = 10
WEAKEST_LISTED = 12

Confusion = tuple[tuple[str, tuple[int, ...], float | None], ...]
"""Per given class: its name, how often each class was predicted, and its recall."""


@dataclass(frozen=True, eq=False)
class StudentSection:
    """Rows are ready to print; `picture` and `confusion` are None without labelled predictions."""

    rows: tuple[dict[str, Any], ...]
    verdict: str | None
    parts: str | None
    notes: tuple[str, ...]
    picture: Markup | None
    picture_of: str
    outside: str
    confusion: Confusion | None
    weakest: tuple[dict[str, Any], ...]
    errors: tuple[dict[str, Any], ...]
    error_count: int
    labelled: int


def student_section(
    metrics: Metrics | None,
    predictions: pd.DataFrame | None,
    classes: tuple[str, ...],
    seed: int,
    labels: pd.DataFrame | None = None,
) -> StudentSection:
    """Return the section for `metrics.json` and `predictions.parquet`, either of which may miss.

    labels: the table `labels.parquet`, for what the label model believes of the disagreements.
    """
    picture, outside, picture_of = None, "", ""
    confusion: Confusion | None = None
    wrong_count, labelled = 0, 0
    errors: tuple[dict[str, Any], ...] = ()
    if predictions is not None:
        probs = predictions[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
        codes = np.asarray(pd.Index(classes).get_indexer(pd.Index(predictions["label"])))
        known = codes >= 0
        labelled = int(known.sum())
        if labelled:
            curve = reliability(probs[known], codes[known], seed=seed)
            picture = _picture(curve, probs[known], classes)
            picture_of = (
                f"the probability of {classes[1]}"
                if curve.quantity == "positive"
                else "the probability of the predicted class"
            )
            out = int(((curve.frequency < curve.lo) | (curve.frequency > curve.hi)).sum())
            outside = f"{out} of {len(curve.lo)} bins lie outside (hollow)"
            confusion = _confusion(probs[known], codes[known], classes)
            errors, wrong_count = _errors(predictions[known], probs[known], codes[known], classes)
            errors = _with_beliefs(errors, labels, classes)
    return StudentSection(
        rows=()
        if metrics is None
        else tuple(_row(metrics, key) for key in metrics.values if _has_row(key)),
        verdict=None if metrics is None else _verdict(metrics),
        parts=None if metrics is None else _parts(metrics),
        notes=(
            *(() if metrics is None else map(_in_names, metrics.notes)),
            *_interval(predictions, labels, classes),
        ),
        picture=picture,
        picture_of=picture_of,
        outside=outside,
        confusion=confusion,
        weakest=_weakest(confusion or ()),
        errors=errors,
        error_count=wrong_count,
        labelled=labelled,
    )


def _interval(
    predictions: pd.DataFrame | None, labels: pd.DataFrame | None, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """How often the interval of p(Y|X) holds the soft labels of the evaluation cases, which nothing learnt."""
    if predictions is None or f"lo_{classes[0]}" not in predictions.columns:
        return ()
    ends = [predictions[[f"{end}_{name}" for name in classes]].to_numpy() for end in ("lo", "hi")]
    text = f"The 90 % interval of a probability is {(ends[1] - ends[0]).mean():.2f} wide on average"
    soft = np.full(ends[0].shape, np.nan)
    if labels is not None:
        frame = labels.set_index(labels["id"].astype(str))[[f"p_{name}" for name in classes]]
        soft = frame.reindex(predictions["id"].astype(str)).to_numpy()
    known = np.isfinite(soft).all(1)
    if not known.any():
        return (f"{text}.",)
    inside = ((ends[0] <= soft) & (soft <= ends[1]))[known].mean()
    return (f"{text}; it holds the soft label in {inside:.0%} of the cases.",)


def _in_names(note: str) -> str:
    """A note with the names that tables show in place of the keys of metrics.json."""
    for key, name in sorted(NAME_OF.items(), key=lambda pair: -len(pair[0])):
        note = re.sub(rf"(?<![\w/]){re.escape(key)}(?!\w)", name, note)
    return note


def _has_row(key: str) -> bool:
    """Whether a metric has a row: what explains another stands in its notes, subgroups elsewhere."""
    metric = metric_of(key)
    return not key.startswith("by/") and not (metric is not None and metric.detail)


def _row(metrics: Metrics, key: str) -> dict[str, Any]:
    metric, meaning = metric_of(key), metrics.meaning(key)
    upper = metrics.values.get(f"{key}_null_upper")
    if upper is not None:
        meaning = f"{meaning.split(';')[0]}; perfect calibration shows up to {upper:.3f} here"
    if key == "hl_statistic" and metrics.values.get("hl_dof") is not None:
        meaning = f"{meaning}; {metrics.values['hl_dof']:.0f} to expect"
    return {
        "name": key if metric is None else metric.name,
        "value": metrics.values[key],
        "interval": metrics.intervals.get(key),
        "meaning": meaning,
    }


def _verdict(metrics: Metrics) -> str | None:
    """What the cases show about calibration, and what to do about it."""
    if metrics.verdict is None or not is_miscalibrated(metrics):
        return metrics.verdict
    return (
        f"{metrics.verdict} Do not take the probabilities at face value; recalibrate them on "
        "validation cases with labelppl recalibrate."
    )


def _parts(metrics: Metrics) -> str | None:
    values = metrics.values
    parts = [values.get(f"brier_{part}") for part in ("mcb", "dsc", "unc")]
    if any(part is None for part in parts) or values.get("brier") is None:
        return None
    mcb, dsc, unc = parts
    return (
        f"Brier score {values['brier']:.3f} = {mcb:.3f} lost to miscalibration − {dsc:.3f} gained by "
        f"discrimination + {unc:.3f} of the class frequencies alone."
    )


def _confusion(
    probs: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], classes: tuple[str, ...]
) -> Confusion:
    size = len(classes)
    table = np.bincount(codes * size + probs.argmax(axis=1), minlength=size * size)
    rows = []
    for k, counts in enumerate(table.reshape(size, size)):
        total = int(counts.sum())
        recall = float(counts[k] / total) if total else None
        rows.append((classes[k], tuple(int(c) for c in counts), recall))
    return tuple(rows)


def _weakest(confusion: Confusion) -> tuple[dict[str, Any], ...]:
    """The classes of the lowest recall, and what they are most often taken for."""
    names = [name for name, _, _ in confusion]
    rows: list[dict[str, Any]] = []
    for k, (name, counts, recall) in enumerate(confusion):
        others = [0 if j == k else count for j, count in enumerate(counts)]
        worst = int(np.argmax(others))
        if recall is not None:
            taken_for = names[worst] if others[worst] else None
            rows.append(
                {"name": name, "cases": sum(counts), "recall": recall, "taken_for": taken_for}
            )
    return tuple(sorted(rows, key=lambda row: row["recall"])[:WEAKEST_LISTED])


def _errors(
    predictions: pd.DataFrame,
    probs: np.ndarray[Any, Any],
    codes: np.ndarray[Any, Any],
    classes: tuple[str, ...],
) -> tuple[tuple[dict[str, Any], ...], int]:
    """The wrong predictions of the greatest confidence, and how many are wrong in all."""
    top = probs.argmax(axis=1)
    wrong = np.flatnonzero(top != codes)
    wrong = wrong[np.argsort(-probs[wrong, top[wrong]], kind="stable")]
    rows = [
        {
            "id": str(predictions["id"].iloc[i]),
            "given": classes[codes[i]],
            "predicted": classes[top[i]],
            "p": float(probs[i, top[i]]),
        }
        for i in wrong[:ERRORS_LISTED]
    ]
    return tuple(rows), len(wrong)


def _with_beliefs(
    errors: tuple[dict[str, Any], ...], labels: pd.DataFrame | None, classes: tuple[str, ...]
) -> tuple[dict[str, Any], ...]:
    """The disagreements with what the label model finds most probable, None where it has no word on the case."""
    known: dict[str, tuple[str, float]] = {}
    if labels is not None:
        wanted = {row["id"] for row in errors}
        rows = labels[labels["id"].astype(str).isin(wanted)]
        probs = rows[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
        for case, p in zip(rows["id"].astype(str), probs, strict=True):
            known[case] = (classes[int(p.argmax())], float(p.max()))
    nothing = (None, None)
    return tuple(
        row | dict(zip(("believed", "believed_p"), known.get(row["id"], nothing), strict=True))
        for row in errors
    )


def _picture(curve: Reliability, probs: np.ndarray[Any, Any], classes: tuple[str, ...]) -> Markup:
    """The reliability curve over the histogram of its forecasts."""
    binary = curve.quantity == "positive"
    forecast = probs[:, 1] if binary else probs.max(axis=1)
    with house_style():
        figure = Figure(figsize=(4.7, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        reliability_curve(upper, curve, classes[1])
        figure.legend(loc="outside upper left", fontsize=8, handlelength=1.6, ncols=3)
        lower.hist(forecast, bins=list(np.linspace(0, 1, 41)), color=MAIN, alpha=0.75)
        lower.set_ylabel("cases", color=INK)
        unit_axis(
            lower, f"student's probability of {classes[1]}" if binary else "student's confidence"
        )
        return to_svg(figure, "Reliability curve of the student with its consistency band")
