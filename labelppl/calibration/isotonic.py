"""Isotonic recalibration: the monotone step function that fits the calibration cases best.

    q = m(p),   m = argmin over non-decreasing maps of Σ_i (m(p_i) − t_i)²

Two classes; linear between the calibration forecasts, constant beyond them. It is free in shape and
therefore hungry: below about 1,000 calibration cases temperature or beta calibration is safer, and on
hard labels it maps whole ranges to exactly 0 or 1. Source: Zadrozny & Elkan 2002.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from .base import Recalibration
from .two_classes import both, positive, positive_target


def _ends() -> Floats:
    return np.array([0.0, 1.0])


@dataclass(frozen=True, eq=False)
class IsotonicMap(Recalibration):
    """The isotonic map: a rising function that is linear between its knots.

    Args:
        at: (knots,) forecasts.
        value: (knots,) what they become.

    Examples:
        >>> p = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
        >>> mapping = IsotonicMap().fit(p, [[0.7, 0.3], [0.6, 0.4], [0.4, 0.6]])
        >>> mapping.transform([[0.2, 0.8]]).round(6).tolist()
        [[0.4, 0.6]]
    """

    at: Floats = field(default_factory=_ends)
    value: Floats = field(default_factory=_ends)
    name: ClassVar[str] = "isotonic"
    two_classes: ClassVar[bool] = True

    def fit(self, probs: ArrayLike, reference: ArrayLike) -> IsotonicMap:
        """Return the monotone fit."""
        from sklearn.isotonic import IsotonicRegression  # fitted rarely, and predict stays light

        p, target = positive_target(probs, reference)
        regression = IsotonicRegression().fit(p, target)
        at, value = regression.X_thresholds_, regression.y_thresholds_
        return IsotonicMap(np.asarray(at, dtype=float), np.asarray(value, dtype=float))

    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated."""
        return both(np.interp(positive(probs), self.at, self.value))
