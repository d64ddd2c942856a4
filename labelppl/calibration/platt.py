"""Platt scaling: a logistic regression on the logit, two classes.

    q = σ(a · logit p + b),   (a, b) = argmin cross-entropy

Hard labels are smoothed, t = (N⁺ + 1)/(N⁺ + 2) for the second class and 1/(N⁻ + 2) for the first, which
keeps separable cases from an infinite slope; soft labels are interior already and are taken as they are.
a = 1, b = 0 is the identity; a positive slope leaves AUC unchanged.
Source: Platt 1999; Lin, Lin & Weng 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arrays import Floats
from .base import Recalibration
from .two_classes import both, clipped_logit, positive, positive_target, twice


@dataclass(frozen=True)
class Platt(Recalibration):
    """A straight line on the logit of the second class.

    Args:
        slope: Below 1 where the probabilities are too sure.
        intercept: In nats.

    Examples:
        >>> import numpy as np
        >>> p = np.tile([[0.9, 0.1], [0.1, 0.9]], (10, 1))
        >>> mapping = Platt().fit(p, np.tile([[0.75, 0.25], [0.25, 0.75]], (10, 1)))
        >>> round(mapping.slope, 3)
        0.5
    """

    slope: float = 1.0
    intercept: float = 0.0
    name: ClassVar[str] = "platt"
    two_classes: ClassVar[bool] = True

    def fit(self, probs: ArrayLike, reference: ArrayLike) -> Platt:
        """Return the map with the two numbers that fit best."""
        from sklearn.linear_model import (
            LogisticRegression,  # fitted rarely, and predict stays light
        )

        p, target = positive_target(probs, reference)
        if np.ndim(reference) == 1:
            ups, downs = target.sum(), (1 - target).sum()
            target = np.where(target == 1, (ups + 1) / (ups + 2), 1 / (downs + 2))
        regression = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
        regression.fit(*twice(clipped_logit(p)[:, None], target))
        return Platt(float(regression.coef_[0, 0]), float(regression.intercept_[0]))

    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated."""
        return both(expit(self.slope * clipped_logit(positive(probs)) + self.intercept))
