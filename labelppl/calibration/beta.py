"""Beta calibration: a monotone map that bends both ends of [0, 1] separately, two classes.

    logit q = a ln p − b ln(1 − p) + c,   a, b ≥ 0

fitted by logistic regression on (ln p, −ln(1 − p)); a feature with a negative coefficient is
dropped and the rest fitted again, which keeps the map monotone. a = b = 1, c = 0 is the identity.
Source: Kull, Silva Filho & Flach 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ..arrays import Floats
from ..probabilities import FLOOR
from .two_classes import both, positive, positive_pair

RIDGE = 1e-6
"""Inverse of the regression's C: separable calibration cases would send a and b to infinity."""


class BetaMap(NamedTuple):
    """The coefficients; a, b >= 0."""

    a: float
    b: float
    c: float

    def apply(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated; raises InputError for an invalid row."""
        return both(expit(_features(positive(probs)) @ [self.a, self.b] + self.c))


def fit_beta(probs: ArrayLike, labels: ArrayLike) -> BetaMap:
    """Fit the map on cases that neither trained nor test the classifier.

    `probs` (cases, 2), `labels` (cases,). Raises InputError for an invalid or unlabelled row, or
    where the calibration cases hold a single class.
    """
    p, y = positive_pair(probs, labels)
    features = _features(p)
    kept = np.ones(2, dtype=bool)
    coefficients = np.zeros(2)
    while kept.any():
        fit = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=5000)
        fit.fit(features[:, kept], y)
        coefficients[:] = 0.0
        coefficients[kept] = fit.coef_[0]
        if (coefficients >= 0).all():
            return BetaMap(float(coefficients[0]), float(coefficients[1]), float(fit.intercept_[0]))
        kept &= coefficients > 0
    rate = y.mean()
    return BetaMap(0.0, 0.0, float(np.log(rate / (1 - rate))))


def _features(p: Floats) -> Floats:
    inside = np.clip(p, FLOOR, 1 - FLOOR)
    return np.column_stack([np.log(inside), -np.log1p(-inside)])
