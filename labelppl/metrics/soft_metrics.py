"""Accuracy, AUC and average precision when each case's label is known as a probability only.

    A     = mean_i p_i[ŷ_i]
    AUC   = Σ_{i≠j} p_i (1 − p_j) ([s_i > s_j] + ½ [s_i = s_j]) / Σ_{i≠j} p_i (1 − p_j)
    AP    = Σ_i p_i (1 + Σ_{j≠i, s_j ≥ s_i} p_j) / #{j : s_j ≥ s_i}  /  Σ_i p_i

p_i = p(Y = class | Z_i), s_i the student's score. A case is never paired with itself, which would pull
the AUC towards ½; given that case i is positive, its own count is 1, not p_i. AUC and AP are ratios of
expectations, close to the expected metric. More than two classes: one class against the rest, averaged.

The reference is the label model, so these measure agreement with it. Their interval is that of the
population metric: each bootstrap replicate of groups is measured against one posterior draw of
p(Y|Z), where the soft labels come with draws. Labels are never drawn as well: that would count their
noise twice (Meng 1994). `over_labellings` draws labels instead, for these very cases.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs
from .bootstrap import each_once
from .metric import Metric, mean_of_drawn
from .pairs import one_against_rest
from .scored import Scored

Measure = Callable[[Floats, Floats, Floats], Floats]
"""From student and soft labels (cases, classes) and weights (replicates, cases) to (replicates,)."""


def soft_accuracy(probs: ArrayLike, soft: ArrayLike) -> float:
    """Return the expected accuracy of `probs` against `soft`, both (cases, classes)."""
    return _alone(_accuracy, probs, soft)


def soft_auc(probs: ArrayLike, soft: ArrayLike) -> float:
    """Return the soft AUC of `probs` against `soft`, both (cases, classes)."""
    return _alone(_auc, probs, soft)


def soft_ap(probs: ArrayLike, soft: ArrayLike) -> float:
    """Return the soft average precision of `probs` against `soft`, both (cases, classes)."""
    return _alone(_ap, probs, soft)


def _alone(measure: Measure, probs: ArrayLike, soft: ArrayLike) -> float:
    p, reference = checked_probs(probs), checked_probs(soft, "soft")
    if p.shape != reference.shape:
        raise InputError(f"soft: got shape {reference.shape}, expected {p.shape} like probs")
    return float(measure(p, reference, each_once(len(p))).item())


def _accuracy(probs: Floats, soft: Floats, weights: Floats) -> Floats:
    of_predicted = soft[np.arange(len(soft)), probs.argmax(axis=1)]
    return mean_of_drawn(of_predicted, weights)


def _over_classes(one: Measure, probs: Floats, soft: Floats, weights: Floats) -> Floats:
    table = np.stack(
        [one(probs[:, k], soft[:, k], weights) for k in one_against_rest(probs.shape[1])], axis=1
    )
    known = np.isfinite(table)
    total, count = np.where(known, table, 0.0).sum(axis=1), known.sum(axis=1)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _auc(probs: Floats, soft: Floats, weights: Floats) -> Floats:
    return _over_classes(_auc_of_class, probs, soft, weights)


def _auc_of_class(score: Floats, p: Floats, weights: Floats) -> Floats:
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    w, positive = weights[:, order], p[order]
    ups = np.add.reduceat(w * positive, starts, axis=1)
    downs = np.add.reduceat(w * (1 - positive), starts, axis=1)
    below = np.cumsum(downs, axis=1) - 0.5 * downs
    itself = (np.square(w) * positive * (1 - positive)).sum(axis=1)
    wins = (ups * below).sum(axis=1) - 0.5 * itself
    pairs = ups.sum(axis=1) * downs.sum(axis=1) - itself
    return np.divide(wins, pairs, out=np.full(len(wins), np.nan), where=pairs > 1e-12)


def _ap(probs: Floats, soft: Floats, weights: Floats) -> Floats:
    return _over_classes(_ap_of_class, probs, soft, weights)


def _ap_of_class(score: Floats, p: Floats, weights: Floats) -> Floats:
    order = np.argsort(-score, kind="stable")
    w, positive = weights[:, order], p[order]
    # The last case of every run of equal scores: all of them are called at this threshold.
    last = np.flatnonzero(np.r_[np.diff(score[order]) < 0, True])
    run = np.searchsorted(last, np.arange(len(score)))
    called = np.cumsum(w, axis=1)[:, last][:, run]
    hits = np.cumsum(w * positive, axis=1)[:, last][:, run]
    precision = np.divide(1 + hits - positive, called, out=np.zeros_like(hits), where=called > 0)
    total = (w * positive).sum(axis=1)
    gained = (w * positive * precision).sum(axis=1)
    return np.divide(gained, total, out=np.full(len(total), np.nan), where=total > 0)


def _listed(key: str, name: str, meaning: str, measure: Measure) -> Metric:
    def replicates(scored: Scored, weights: Floats) -> Floats:
        soft = scored.require("soft")
        if scored.draws is None:
            return measure(scored.probs, soft, weights)
        draws = scored.draws[np.arange(len(weights)) % len(scored.draws)]
        rows = zip(draws, weights, strict=True)
        return np.array([measure(scored.probs, p, row[None, :]).item() for p, row in rows])

    def value(scored: Scored) -> float | None:
        one = measure(scored.probs, scored.require("soft"), each_once(len(scored))).item()
        return float(one) if np.isfinite(one) else None

    return Metric(key, name, meaning, "up", needs=("soft",), value=value, replicates=replicates)


SOFT_METRICS = (
    _listed(
        "soft_accuracy",
        "Accuracy against p(Y|Z)",
        "expected accuracy if labels were drawn from the label model",
        _accuracy,
    ),
    _listed(
        "soft_auc",
        "AUC against p(Y|Z)",
        "AUC in which every case is positive with its probability p(Y|Z)",
        _auc,
    ),
    _listed(
        "soft_ap",
        "Average precision against p(Y|Z)",
        "average precision in which every case is positive with its probability p(Y|Z)",
        _ap,
    ),
)
