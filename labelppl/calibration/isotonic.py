"""Isotonic recalibration: the monotone step function that fits the calibration cases best.

    q = m(p),   m = argmin over non-decreasing maps of Σ_i (m(p_i) − y_i)²

Two classes; linear between the calibration forecasts, constant beyond them. It is free in shape
and therefore hungry: below about 1,000 calibration cases temperature or beta calibration is safer,
and it maps whole ranges to exactly 0 or 1. Source: Zadrozny & Elkan 2002.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import IsotonicRegression

from ..arrays import Floats
from .two_classes import both, positive, positive_pair


class Isotonic(NamedTuple):
    """Knots of the map: forecasts `at` (knots,) and their recalibrated `value` (knots,)."""

    at: Floats
    value: Floats

    def apply(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated; raises InputError for an invalid row."""
        return both(np.interp(positive(probs), self.at, self.value))


def fit_isotonic(probs: ArrayLike, labels: ArrayLike) -> Isotonic:
    """Fit the map on cases that neither trained nor test the classifier.

    `probs` (cases, 2), `labels` (cases,). Raises InputError for an invalid or unlabelled row, or
    where the calibration cases hold a single class.
    """
    p, y = positive_pair(probs, labels)
    fit = IsotonicRegression(y_min=0.0, y_max=1.0).fit(p, y)
    return Isotonic(np.asarray(fit.X_thresholds_), np.asarray(fit.y_thresholds_))
