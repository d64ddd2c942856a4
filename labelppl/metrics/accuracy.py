"""Accuracy: the share of cases whose most probable class is the label.

    accuracy = mean_i 1{argmax_k p_ik = y_i}

A tie goes to the class that comes first, as in numpy and scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score

from ..arrays import Floats, Ints
from ..probabilities import hard_pair
from .intervals import share_of
from .metric import mean_metric


def accuracy(probs: ArrayLike, labels: ArrayLike) -> float:
    """Return the accuracy in [0, 1] of `probs` (cases, classes) against `labels` (cases,).

    Raises InputError for an invalid or unlabelled row.
    """
    p, y = hard_pair(probs, labels)
    return float(accuracy_score(y, p.argmax(axis=1)))


def correct_per_case(probs: Floats, labels: Ints) -> Floats:
    """Return 1.0 where the most probable class is the label, else 0.0 (cases,)."""
    return np.asarray(probs.argmax(axis=1) == labels, dtype=np.float64)


ACCURACY = mean_metric(
    "accuracy",
    "Accuracy",
    "share of cases whose most probable class is the label",
    "up",
    lambda scored: correct_per_case(scored.probs, scored.labels),
    interval=share_of(),
)
ACCURACY_BAYES = mean_metric(
    "accuracy_bayes",
    "Accuracy of the true p(Y|X)",
    "accuracy of the true p(Y|X) itself on these labels: the ceiling",
    "none",
    lambda scored: correct_per_case(scored.require("truth"), scored.labels),
    needs=("labels", "truth"),
    interval=share_of(),
)
ACCURACY_BAYES_EXPECTED = mean_metric(
    "accuracy_bayes_expected",
    "Expected ceiling of accuracy",
    "mean of the largest true probability: that ceiling without label luck",
    "none",
    lambda scored: scored.require("truth").max(axis=1),
    needs=("truth",),
)
