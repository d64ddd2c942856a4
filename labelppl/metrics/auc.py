"""Area under the ROC curve.

    AUC = Pr(p of a random positive > p of a random negative) + ½ Pr(tie)

Two classes: the score is the probability of the second class. More: one class against the rest,
averaged over the classes that occur among the labels but are not all of them (macro). The point
value is scikit-learn's; the bootstrap uses the same definition for many weightings at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from ..arrays import Floats, Ints
from ..probabilities import hard_pair
from .metric import Metric
from .pairs import one_against_rest


def auc(probs: ArrayLike, labels: ArrayLike) -> float | None:
    """Return the AUC of `probs` (cases, classes) against `labels` (cases,).

    None where the labels hold a single class: there is no pair to rank. With more than two
    classes, absent classes are left out of the mean. Raises InputError for an invalid row.
    """
    p, y = hard_pair(probs, labels)
    present = np.unique(y)
    if present.size < 2:
        return None
    scored = np.intersect1d(one_against_rest(p.shape[1]), present)
    return float(np.mean([roc_auc_score(y == k, p[:, k]) for k in scored]))


def auc_replicates(probs: Floats, labels: Ints, weights: Floats) -> Floats:
    """Return the AUC (replicates,) of the cases counted by `weights` (replicates, cases).

    NaN marks a replicate that holds a single class.
    """
    columns = one_against_rest(probs.shape[1])
    per_class = np.stack([_one_class(probs[:, k], labels == k, weights) for k in columns], axis=1)
    known = np.isfinite(per_class)
    total = np.where(known, per_class, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _one_class(score: Floats, positive: np.ndarray, weights: Floats) -> Floats:
    """Weighted Mann–Whitney statistic (replicates,), ties counted one half."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    sorted_weights = weights[:, order]
    positives = np.add.reduceat(sorted_weights * positive[order], starts, axis=1)
    negatives = np.add.reduceat(sorted_weights * ~positive[order], starts, axis=1)
    below = np.cumsum(negatives, axis=1) - 0.5 * negatives
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    wins = (positives * below).sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(wins), np.nan), where=pairs > 0)


AUC = Metric(
    "auc",
    "AUC",
    "chance that a case of the class is ranked above one of another (½ = no information)",
    "up",
    needs=("labels",),
    value=lambda scored: auc(scored.probs, scored.labels),
    replicates=lambda scored, weights: auc_replicates(scored.probs, scored.labels, weights),
    remark=lambda scored: (
        "auc is null: the labelled cases hold a single class"
        if len(np.unique(scored.labels)) < 2
        else None
    ),
)
