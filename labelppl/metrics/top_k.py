"""Top-k accuracy: the share of cases whose label is among the k most probable classes.

    top_k = mean_i 1{ #{j : p_ij > p_i,y_i} + #{j < y_i : p_ij = p_i,y_i} < k }

Of equal probabilities the class that comes first counts as the more probable, as in accuracy, so that
top-1 is the accuracy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import hard_pair
from .intervals import share_of
from .metric import Metric, mean_metric

TOP_OF_MANY = 5


def top_k(probs: ArrayLike, labels: ArrayLike, k: int) -> float:
    """Return top-k accuracy in [0, 1] of `probs` (cases, classes) against `labels` (cases,).

    Raises InputError for an invalid or unlabelled row, or a k outside 1 … classes.
    """
    p, y = hard_pair(probs, labels)
    if not 1 <= k <= p.shape[1]:
        raise InputError(f"k: got {k}, expected 1 to {p.shape[1]}, the number of classes")
    return float(within_per_case(p, y, k).mean())


def within_per_case(probs: Floats, labels: Ints, k: int) -> Floats:
    """Return 1.0 where the label is among the k most probable classes, else 0.0 (cases,)."""
    of_label = np.take_along_axis(probs, labels[:, None], axis=1)
    earlier = np.arange(probs.shape[1])[None, :] < labels[:, None]
    ahead = (probs > of_label) | ((probs == of_label) & earlier)
    return np.asarray(ahead.sum(axis=1) < k, dtype=np.float64)


def top_metric(k: int) -> Metric:
    """Return the metric `top<k>`; it applies to more than two classes."""
    return mean_metric(
        f"top{k}",
        f"Top-{k} accuracy",
        f"share of cases whose label is among the {k} most probable classes",
        "up",
        lambda scored: within_per_case(scored.probs, scored.labels, k),
        needs=("labels", "more classes"),
        interval=share_of(),
    )


def default_top(classes: int) -> int | None:
    """Return the k to report: 5 of many classes, 2 of a few, None of two."""
    if classes <= 2:
        return None
    return TOP_OF_MANY if classes > TOP_OF_MANY else 2
