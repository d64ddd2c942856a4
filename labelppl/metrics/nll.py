"""Negative log-likelihood of the labels, in nats per case.

    NLL = −mean_i log max(p_{i, y_i}, eps),   eps = 1e-12

The floor is there because a single case at probability 0 makes the mean infinite; a floor of 1e-12
costs at most 27.6 nats for such a case and does not touch any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from ..probabilities import FLOOR, hard_pair
from .metric import mean_metric


def nll(probs: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean negative log-likelihood (nats) of `labels` (cases,) under `probs`.

    Raises InputError for an invalid or unlabelled row.
    """
    return float(nll_per_case(*hard_pair(probs, labels)).mean())


def nll_per_case(probs: Floats, labels: Ints) -> Floats:
    """Return −log of the probability given to each label (cases,), in nats."""
    of_label = np.take_along_axis(probs, labels[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.maximum(of_label, FLOOR)), dtype=np.float64)


NLL = mean_metric(
    "nll",
    "Log loss (NLL)",
    "mean −log probability of the label, in nats; proper, lower is better",
    "down",
    lambda scored: nll_per_case(scored.probs, scored.labels),
)
