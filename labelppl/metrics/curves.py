"""Curves with bands: ROC, precision–recall, net benefit, and risk against coverage.

    roc                 false-positive rate → sensitivity
    precision_recall    recall → precision
    net_benefit         threshold → net benefit per case, at the prevalence of use; `treat_all` beside it
    risk_coverage       share of cases answered → share of errors among them

The first three are of one class against the rest. Bands are pointwise 95 %, by drawing groups with
replacement: at a single place the curve to expect from new cases lies inside with that frequency; over
a whole curve some place will not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from ..arrays import Floats
from ..probabilities import FLOOR
from .accuracy import correct_per_case
from .bootstrap import LEVEL, each_once, group_weights
from .net_benefit import net_benefit, net_benefit_replicates
from .scored import Scored

POINTS = 50
REPLICATES = 200
COLUMNS = ["curve", "class", "x", "y", "lo", "hi"]

Drawn = Callable[[Floats], Floats]


def curves(scored: Scored, positive: int | None = None) -> pd.DataFrame:
    """Return the curves of labelled cases, with pointwise 95 % bands.

    Args:
        scored: Cases that all have a label.
        positive: A class number; None: the second of two classes, and every one of more.

    Returns:
        One row per point: curve, class, x, y, lo, hi.

    Examples:
        >>> p = np.array([0.9, 0.7, 0.4, 0.2])
        >>> labels = np.array([1, 1, 0, 0])
        >>> scored = Scored(np.column_stack([1 - p, p]), labels, np.arange(4), ("no", "yes"))
        >>> frame = curves(scored)
        >>> list(frame["curve"].unique())
        ['risk_coverage', 'roc', 'precision_recall', 'net_benefit', 'treat_all']
        >>> float(frame[frame["curve"] == "roc"]["y"].min())
        1.0
    """
    several = range(len(scored.classes)) if len(scored.classes) > 2 else (1,)
    parts = [_risk_coverage(scored)]
    for k in (positive,) if positive is not None else several:
        label = scored.labels == k
        if label.any() and not label.all():
            parts += list(_of_class(scored, k))
    return pd.concat(parts, ignore_index=True)


def _of_class(scored: Scored, k: int) -> Iterator[pd.DataFrame]:
    score, positive = scored.probs[:, k], scored.labels == k
    name = scored.classes[k]
    grid = np.linspace(0, 1, POINTS + 1)
    steps = _steps(score)
    yield _frame(scored, "roc", name, grid, lambda w: _roc(*_sums(score, positive, w, steps), grid))
    yield _frame(
        scored,
        "precision_recall",
        name,
        grid[1:],
        lambda w: _precision(*_sums(score, positive, w, steps), grid[1:]),
    )
    point = scored.settings.point
    prevalence = None if point is None or point.positive != k else point.prevalence
    limits = np.linspace(0.01, 0.99, POINTS)
    used = score if prevalence is None else _moved(score, float(positive.mean()), prevalence)
    yield _frame(
        scored,
        "net_benefit",
        name,
        limits,
        lambda w: net_benefit_replicates(used, positive, w, limits, prevalence),
    )
    pair = np.column_stack([1 - used, used])
    everyone = net_benefit(pair, positive.astype(np.int64), limits, prevalence=prevalence)
    no_band = np.full(len(limits), np.nan)
    yield pd.DataFrame(
        {
            "curve": "treat_all",
            "class": name,
            "x": limits,
            "y": everyone.treat_all,
            "lo": no_band,
            "hi": no_band,
        },
        columns=COLUMNS,
    )


def read_curves(path: Path) -> pd.DataFrame:
    """Return the table of `curves.csv`; a class may be called `1` or `NA`. Raises ValueError for another file."""
    names = dict.fromkeys(COLUMNS[:2], str)
    blank = {key: [""] for key in COLUMNS[2:]}
    return pd.read_csv(path, usecols=COLUMNS, dtype=names, keep_default_na=False, na_values=blank)[
        COLUMNS
    ]


def _moved(score: Floats, study: float, prevalence: float) -> Floats:
    """The probabilities where the class is as common as `prevalence`: a threshold there means what it says."""
    inside = np.clip(score, FLOOR, 1 - FLOOR)
    return np.asarray(expit(logit(inside) - logit(study) + logit(prevalence)))


def _risk_coverage(scored: Scored) -> pd.DataFrame:
    confidence = scored.probs.max(axis=1)
    wrong = 1 - correct_per_case(scored.probs, scored.labels)
    order = np.argsort(-confidence, kind="stable")
    coverage = np.linspace(0, 1, POINTS + 1)[1:]

    def risks(weights: Floats) -> Floats:
        count = np.cumsum(weights[:, order], axis=1)
        risk = np.cumsum(weights[:, order] * wrong[order], axis=1)
        rows = []
        for some, errors in zip(count, risk, strict=True):
            last = np.searchsorted(some, coverage * some[-1] - 1e-9)
            rows.append(errors[last] / some[last])
        return np.array(rows)

    return _frame(scored, "risk_coverage", "", coverage, risks)


def _frame(scored: Scored, curve: str, name: str, x: Floats, drawn: Drawn) -> pd.DataFrame:
    """One curve with its band; no band where all cases are of one group."""
    y = drawn(each_once(len(scored)))[0]
    lo = hi = np.full(len(x), np.nan)
    codes = np.unique(scored.groups, return_inverse=True)[1]
    if codes.max() > 0:
        weights = np.concatenate(list(group_weights(codes, REPLICATES, scored.settings.seed)))
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = drawn(weights)
        lo, hi = np.nanquantile(rows, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return pd.DataFrame(
        {"curve": curve, "class": name, "x": x, "y": y, "lo": lo, "hi": hi}, columns=COLUMNS
    )


def _steps(score: Floats) -> tuple[np.ndarray, np.ndarray]:
    """The order of falling scores and the last place of every run of equal ones."""
    order = np.argsort(-score, kind="stable")
    return order, np.flatnonzero(np.r_[np.diff(score[order]) < 0, True])


def _sums(
    score: Floats, positive: np.ndarray, weights: Floats, steps: tuple[np.ndarray, np.ndarray]
) -> tuple[Floats, Floats]:
    """True and false positives at every threshold (replicates, thresholds), from none called."""
    order, last = steps
    hits = np.cumsum(weights[:, order] * positive[order], axis=1)[:, last]
    alarms = np.cumsum(weights[:, order] * ~positive[order], axis=1)[:, last]
    nothing = np.zeros((len(weights), 1))
    return np.hstack([nothing, hits]), np.hstack([nothing, alarms])


def _roc(hits: Floats, alarms: Floats, grid: Floats) -> Floats:
    """Sensitivity at false-positive rates `grid`: the best threshold that keeps the rate."""
    rows = []
    for tp, fp in zip(hits, alarms, strict=True):
        if tp[-1] == 0 or fp[-1] == 0:
            rows.append(np.full(len(grid), np.nan))
            continue
        rows.append(tp[np.searchsorted(fp / fp[-1], grid + 1e-12, side="right") - 1] / tp[-1])
    return np.array(rows)


def _precision(hits: Floats, alarms: Floats, grid: Floats) -> Floats:
    """Precision at the first threshold whose recall reaches `grid`."""
    rows = []
    for tp, fp in zip(hits, alarms, strict=True):
        if tp[-1] == 0:
            rows.append(np.full(len(grid), np.nan))
            continue
        at = np.searchsorted(tp / tp[-1], grid - 1e-12)
        rows.append(tp[at] / (tp[at] + fp[at]))
    return np.array(rows)
