"""Platt scaling: a logistic regression on the logit, two classes.

    q = σ(a · logit p + b),   (a, b) = argmin cross-entropy against smoothed targets
    t = (N⁺ + 1)/(N⁺ + 2) for the second class, 1/(N⁻ + 2) for the first

The smoothed targets keep separable calibration cases from an infinite slope. a = 1, b = 0 is the
identity; a positive slope leaves AUC unchanged. Source: Platt 1999; Lin, Lin & Weng 2007.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ..arrays import Floats
from .two_classes import both, positive, positive_pair
from .two_classes import logit as clipped_logit


class Platt(NamedTuple):
    """Slope and intercept on the logit of the second class."""

    slope: float
    intercept: float

    def apply(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated; raises InputError for an invalid row."""
        return both(expit(self.slope * clipped_logit(positive(probs)) + self.intercept))


def fit_platt(probs: ArrayLike, labels: ArrayLike) -> Platt:
    """Fit the two numbers on cases that neither trained nor test the classifier.

    `probs` (cases, 2), `labels` (cases,). Raises InputError for an invalid or unlabelled row, or
    where the calibration cases hold a single class.
    """
    p, y = positive_pair(probs, labels)
    ups = int(y.sum())
    target = np.where(y == 1, (ups + 1) / (ups + 2), 1 / (len(y) - ups + 2))
    # A soft target is the same loss as both labels, weighted by it.
    design = np.tile(clipped_logit(p)[:, None], (2, 1))
    outcome = np.repeat([1, 0], len(p))
    fit = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    fit.fit(design, outcome, sample_weight=np.concatenate([target, 1 - target]))
    return Platt(float(fit.coef_[0, 0]), float(fit.intercept_[0]))
