"""Macro accuracy: the mean recall over the classes that occur among the labels.

    macro = mean over k with n_k > 0 of  #{i: y_i = k, argmax p_i = k} / n_k

A class without a labelled case has no recall and is left out of the mean; counting it as 0 would
punish the classifier for the sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import recall_score

from ..arrays import Floats, Ints
from ..probabilities import hard_pair
from .accuracy import correct_per_case
from .metric import Metric


def macro_accuracy(probs: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean recall in [0, 1] over the classes present in `labels` (cases,).

    Raises InputError for an invalid or unlabelled row.
    """
    p, y = hard_pair(probs, labels)
    return float(recall_score(y, p.argmax(axis=1), labels=np.unique(y), average="macro"))


def macro_accuracy_replicates(probs: Floats, labels: Ints, weights: Floats) -> Floats:
    """Return macro accuracy (replicates,) of the cases counted by `weights` (replicates, cases).

    Each replicate averages over the classes present in that replicate.
    """
    member = np.eye(probs.shape[1])[labels]
    right = weights @ (member * correct_per_case(probs, labels)[:, None])
    count = weights @ member
    present = count > 0
    recall = np.divide(right, count, out=np.zeros_like(right), where=present)
    return np.asarray(recall.sum(axis=1) / present.sum(axis=1), dtype=np.float64)


MACRO_ACCURACY = Metric(
    "macro_accuracy",
    "Macro accuracy",
    "mean recall over the classes present, so that a rare class counts equally",
    "up",
    needs=("labels",),
    value=lambda scored: macro_accuracy(scored.probs, scored.labels),
    replicates=lambda scored, weights: macro_accuracy_replicates(
        scored.probs, scored.labels, weights
    ),
)
