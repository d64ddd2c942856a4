"""Temperature scaling: one number that makes a classifier more or less confident.

    q ∝ p^{1/T} = softmax(log p / T),   T = argmin NLL on calibration cases, searched over log T

The order of the classes of a case never changes, so accuracy stays, and with two classes AUC too.
T = 1 is the identity. NLL is convex in 1/T, so the minimum is the only one; it is searched for T in
[e^-5, e^5], and a bound reached means that the calibration cases are separable or hold no signal.
Source: Guo et al. 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from ..arrays import Floats
from ..probabilities import FLOOR, checked_probs, hard_pair

BOUND = 5.0


class Temperature(NamedTuple):
    """The fitted temperature T > 0."""

    temperature: float

    def apply(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, classes) recalibrated; raises InputError for an invalid row."""
        p = checked_probs(probs)
        return np.asarray(softmax(_logs(p) / self.temperature, axis=1))


def fit_temperature(probs: ArrayLike, labels: ArrayLike) -> Temperature:
    """Fit T on cases that neither trained nor test the classifier.

    `probs` (cases, classes), `labels` (cases,). Raises InputError for an invalid or unlabelled row.
    """
    p, y = hard_pair(probs, labels)
    logs = _logs(p)

    def loss(log_t: float) -> float:
        scores = log_softmax(logs / np.exp(log_t), axis=1)
        return float(-np.take_along_axis(scores, y[:, None], axis=1).mean())

    found = minimize_scalar(loss, bounds=(-BOUND, BOUND), method="bounded", options={"xatol": 1e-8})
    return Temperature(float(np.exp(found.x)))


def _logs(probs: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probs, FLOOR)))
