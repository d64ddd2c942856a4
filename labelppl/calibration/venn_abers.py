"""Venn–Abers prediction: two isotonic fits that bracket the probability, two classes.

    p0 = isotonic fit of the calibration cases plus the test case labelled 0, read at the test case
    p1 = the same with the test case labelled 1
    p  = p1 / (1 − p0 + p1)

[p0, p1] is a multiprobability: one of the two is perfectly calibrated whatever the distribution, as
long as calibration and test cases are exchangeable; its width says how little the calibration cases
pin down. Source: Vovk & Petej 2014; inductive form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from .pav import isotonic
from .two_classes import both, positive, positive_pair


class VennAbers(NamedTuple):
    """Calibration forecasts and labels, both (calibration cases,)."""

    forecast: Floats
    label: Ints

    def interval(self, probs: ArrayLike) -> tuple[Floats, Floats]:
        """Return p0 and p1 (cases,) for `probs` (cases, 2); InputError for an invalid row."""
        scores, inverse = np.unique(positive(probs), return_inverse=True)
        brackets = np.array([[self._read(score, label) for label in (0, 1)] for score in scores])
        return brackets[inverse, 0], brackets[inverse, 1]

    def apply(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated; raises InputError for an invalid row."""
        p0, p1 = self.interval(probs)
        return both(p1 / (1 - p0 + p1))

    def _read(self, score: float, label: int) -> float:
        outcome = np.append(self.label, label).astype(np.float64)
        return float(isotonic(np.append(self.forecast, score), outcome)[-1])


def fit_venn_abers(probs: ArrayLike, labels: ArrayLike) -> VennAbers:
    """Keep the calibration cases, which neither trained nor test the classifier.

    `probs` (cases, 2), `labels` (cases,). Raises InputError for an invalid or unlabelled row, or
    where the calibration cases hold a single class.
    """
    return VennAbers(*positive_pair(probs, labels))
