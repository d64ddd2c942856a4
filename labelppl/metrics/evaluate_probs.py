"""Every metric of a set of predictions, with intervals.

What is measured against what stands in each metric's `needs`: hard labels (labelled cases only), soft
labels (recovery of the label model, not of the truth), the true p(Y|X) of a phantom. Intervals are
95 %, by drawing groups with replacement (`bootstrap`) unless a metric's rule says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import checked_classes, checked_labels, checked_probs
from .bootstrap import LEVEL
from .collector import Collector
from .curves import curves
from .hosmer_lemeshow import hosmer_lemeshow
from .kl import EPS
from .listed import choose_metrics
from .metric import Metric
from .metrics import Metrics
from .pairs import default_quantity
from .scored import Scored, Settings
from .subgroups import measure_subgroups
from .threshold import OperatingPoint
from .top_k import default_top
from .verdict import verdict


def evaluate_probs(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str],
    soft: ArrayLike | None = None,
    draws: ArrayLike | None = None,
    p_true: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    metrics: Sequence[str | Metric] = (),
    by: Mapping[str, ArrayLike] | None = None,
    point: OperatingPoint | None = None,
    top: int | None = None,
    n_boot: int = 1000,
    bins: int = 10,
    eps: float = EPS,
    seed: int = 0,
) -> Metrics:
    """Return the metrics of predictions.

    Args:
        probs: Predictions `(cases, classes)`.
        labels: Class codes `(cases,)`, -1 = unlabelled.
        classes: Class names, one per column of `probs`.
        soft: Soft labels `(cases, classes)`; a row of NaN has none.
        draws: Draws of p(Y|Z) `(draws, cases, classes)`, for the posterior of metrics.
        p_true: The truth of a phantom `(cases, classes)`.
        groups: Names of any kind `(cases,)`; without them every case is its own group.
        metrics: Records of your own, and keys of metrics that are computed only on request.
        by: Columns by which subgroups are formed: name -> values `(cases,)`.
        point: The operating point; None, with two classes: a threshold of ½.
        top: The k of top-k accuracy; None: 5 of more than 5 classes, else 2.
        n_boot: Bootstrap replicates, 0 = no intervals.
        bins: Of the binned calibration error, its null band and Hosmer–Lemeshow.
        eps: Floor of a prediction in KL.
        seed: One seed gives one result.

    Returns:
        `Metrics`.

    Raises:
        InputError: An array does not fit or is not what it claims.

    Examples:
        >>> from labelppl import evaluate_probs
        >>> metrics = evaluate_probs([[0.9, 0.1], [0.2, 0.8]], [0, 1], classes=["well", "ill"])
        >>> metrics.accuracy, round(metrics.brier, 3)
        (1.0, 0.025)
    """
    p = checked_probs(probs)
    names = checked_classes(classes, p.shape[1])
    y = checked_labels(labels, *p.shape)
    if n_boot < 0 or bins < 1 or not 0.0 < eps < 1.0:
        raise InputError(
            f"n_boot, bins, eps: got {n_boot}, {bins}, {eps:g}, expected at least 0, at least 1, "
            "and between 0 and 1"
        )
    if point is None and len(names) == 2:
        point = OperatingPoint(1, 0.5, "threshold=0.5")
    scored = Scored(
        p,
        y,
        _group_codes(groups, len(p)),
        names,
        soft=None if soft is None else _soft(soft, p),
        truth=None if p_true is None else _like(p_true, p, "p_true"),
        draws=None if draws is None else _draws(draws, p),
        settings=Settings(bins, eps, top or default_top(len(names)), point, seed),
    )
    chosen = choose_metrics(metrics, classes=len(names), top=top)
    out = Collector(scored)
    out.notes += _notes(scored)
    out.measure(chosen)
    out.bootstrap(n_boot, seed)
    said = None
    labelled = y >= 0
    if labelled.any():
        said = verdict(out.part(labelled), out.intervals.get("smece"))
    if by:
        measure_subgroups(out, by, chosen, n_boot, seed)
    return Metrics(
        out.values,
        out.intervals,
        n=len(p),
        n_labelled=int(labelled.sum()),
        n_groups=scored.group_count(),
        classes=names,
        notes=tuple(out.notes),
        settings={
            "level": LEVEL,
            "n_boot": n_boot,
            "seed": seed,
            "bins": bins,
            "kl_eps": eps,
            "calibration_of": default_quantity(p.shape[1]),
            "brier_of": "positive class" if p.shape[1] == 2 else "sum over classes",
            **({} if point is None else {"operating_point": _record(point, names)}),
        },
        meanings={m.key: m.meaning for m in metrics if isinstance(m, Metric)},
        verdict=said,
    )


def curves_of(
    probs: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike | None,
    classes: Sequence[str],
    *,
    point: OperatingPoint | None = None,
    seed: int = 0,
) -> pd.DataFrame | None:
    """Return the curves of the labelled cases (see `curves`), or None where there is none."""
    p = checked_probs(probs)
    y = checked_labels(labels, *p.shape)
    if not (y >= 0).any():
        return None
    codes = _group_codes(groups, len(p))
    scored = Scored(p, y, codes, tuple(classes), settings=Settings(point=point, seed=seed))
    return curves(scored.take(y >= 0), None if point is None else point.positive)


def _record(point: OperatingPoint, names: Sequence[str]) -> dict[str, object]:
    return {
        "positive": names[point.positive],
        "threshold": point.threshold,
        "rule": point.rule,
        "prevalence": point.prevalence,
        "promised": point.promised,
    }


def _notes(scored: Scored) -> list[str]:
    """What is said about the cases before anything is measured."""
    notes = []
    labelled = scored.labels >= 0
    if not labelled.any():
        notes.append("no case has a hard label: hard-label metrics are absent")
    else:
        names = enumerate(scored.classes)
        absent = [name for k, name in names if not (scored.labels == k).any()]
        if absent:
            notes.append(
                f"no labelled case of class {', '.join(absent)}: left out of macro_accuracy and auc"
            )
        if not labelled.all():
            notes.append(
                f"{int((~labelled).sum())} of {len(scored)} cases are unlabelled and left out of "
                "hard-label metrics"
            )
        notes += _sparse(scored.take(labelled))
    point = scored.settings.point
    if point is not None and not point.promised:
        notes.append(
            f"operating point {point.rule}: too few positive validation cases to promise it, so "
            "every case is called"
        )
    if scored.soft is not None:
        known = int(scored.member(["soft"]).sum())
        if known == 0:
            notes.append("no case has a soft label: kl is absent")
        elif known < len(scored):
            notes.append(f"kl is over the {known} of {len(scored)} cases with a soft label")
    return notes


def _sparse(scored: Scored) -> list[str]:
    right = scored.probs.argmax(axis=1) == scored.labels
    notes = []
    if right.all() or not right.any():
        share = int(right.all())
        notes.append(
            f"accuracy is {share}: the bootstrap would claim certainty, its interval is the exact "
            f"binomial one for {scored.group_count()} groups"
        )
    test = hosmer_lemeshow(scored.probs, scored.labels, groups=scored.settings.bins, draws=1)
    if test.sparse:
        notes.append(
            f"{test.sparse} of {test.expected.size} expected counts of Hosmer–Lemeshow are below 5; "
            "its p-value is by simulation"
        )
    return notes


def _soft(soft: ArrayLike, p: Floats) -> Floats:
    """Soft labels with NaN rows where a case has none, checked with their own row numbers."""
    array = np.asarray(soft, dtype=np.float64)
    if array.shape != p.shape:
        raise InputError(f"soft: got shape {array.shape}, expected {p.shape} like probs")
    known = np.asarray(~np.isnan(array).all(axis=1))
    checked_probs(np.where(known[:, None], array, p), "soft")
    return array


def _draws(draws: ArrayLike, p: Floats) -> Floats:
    array = np.asarray(draws, dtype=np.float64)
    if array.ndim != 3 or array.shape[1:] != p.shape or len(array) == 0:
        raise InputError(
            f"draws: got shape {array.shape}, expected (draws, {p.shape[0]}, {p.shape[1]})"
        )
    for number, draw in enumerate(array):
        known = np.asarray(~np.isnan(draw).all(axis=1))
        checked_probs(np.where(known[:, None], draw, p), f"draws, draw {number}")
    return array


def _like(values: ArrayLike, p: Floats, name: str) -> Floats:
    array = checked_probs(values, name)
    if array.shape != p.shape:
        raise InputError(f"{name}: got shape {array.shape}, expected {p.shape} like probs")
    return array


def _group_codes(groups: ArrayLike | None, cases: int) -> Ints:
    """Number the groups (cases,) from 0 without gaps."""
    if groups is None:
        return np.arange(cases)
    array = np.asarray(groups)
    if array.shape != (cases,):
        raise InputError(f"groups: got shape {array.shape}, expected ({cases},) like labels")
    missing = pd.isna(array)
    if missing.any():
        raise InputError(
            f"groups, row {int(np.flatnonzero(missing)[0])}: got nothing, expected the name of a "
            "group; give an ungrouped case a group of its own"
        )
    return np.asarray(pd.factorize(array.astype(str))[0], dtype=np.int64)
