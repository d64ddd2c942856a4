"""Beta calibration: a monotone map that bends both ends of [0, 1] separately, two classes.

    logit q = a ln p − b ln(1 − p) + c,   a, b ≥ 0

fitted by logistic regression on (ln p, −ln(1 − p)); a feature with a negative coefficient is dropped and
the rest fitted again, which keeps the map monotone. a = b = 1, c = 0 is the identity.
Source: Kull, Silva Filho & Flach 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arrays import Floats
from ..probabilities import FLOOR
from .base import Recalibration
from .two_classes import both, positive, positive_target, twice

RIDGE = 1e-6
"""Inverse of the regression's C: separable calibration cases would send a and b to infinity."""


@dataclass(frozen=True)
class BetaMap(Recalibration):
    """The beta map of two classes.

    Args:
        a: Slope on log p, at least 0.
        b: Slope on -log(1 - p), at least 0.
        c: Intercept.

    Examples:
        >>> import numpy as np
        >>> p = np.tile([[0.9, 0.1], [0.1, 0.9]], (10, 1))
        >>> reference = np.tile([[0.75, 0.25], [0.25, 0.75]], (10, 1))
        >>> BetaMap().fit(p, reference).transform(p)[0].round(3).tolist()
        [0.75, 0.25]
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    name: ClassVar[str] = "beta"
    two_classes: ClassVar[bool] = True

    def fit(self, probs: ArrayLike, reference: ArrayLike) -> BetaMap:
        """Return the map with the coefficients that fit best."""
        from sklearn.linear_model import (
            LogisticRegression,  # fitted rarely, and predict stays light
        )

        p, target = positive_target(probs, reference)
        features = _features(p)
        kept = np.ones(2, dtype=bool)
        coefficients = np.zeros(2)
        while kept.any():
            regression = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=5000)
            regression.fit(*twice(features[:, kept], target))
            coefficients[:] = 0.0
            coefficients[kept] = regression.coef_[0]
            if (coefficients >= 0).all():
                a, b = coefficients
                return BetaMap(float(a), float(b), float(regression.intercept_[0]))
            kept &= coefficients > 0
        rate = target.mean()
        return BetaMap(0.0, 0.0, float(np.log(rate / (1 - rate))))

    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated."""
        return both(expit(_features(positive(probs)) @ [self.a, self.b] + self.c))


def _features(p: Floats) -> Floats:
    inside = np.clip(p, FLOOR, 1 - FLOOR)
    return np.column_stack([np.log(inside), -np.log1p(-inside)])
