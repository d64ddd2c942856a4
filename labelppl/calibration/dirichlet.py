"""Dirichlet calibration: the multiclass map that is linear in log p.

    q = softmax(W log p + b)
    (W, b) = argmin NLL + λ Σ_{i≠j} W_ij² / (K(K − 1)) + μ Σ_i b_i² / K

The off-diagonal and intercept penalty (ODIR) leaves the diagonal free, so that λ, μ → ∞ approaches
scaling each class alone. W = I, b = 0 is the identity. Source: Kull et al. 2019.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import FLOOR, checked_probs, hard_pair


class DirichletMap(NamedTuple):
    """Weights (classes, classes) and intercepts (classes,)."""

    weight: Floats
    bias: Floats

    def apply(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, classes) recalibrated; raises InputError for an invalid row."""
        p = checked_probs(probs)
        if p.shape[1] != len(self.bias):
            raise InputError(f"probs: got {p.shape[1]} classes, expected {len(self.bias)}")
        return np.asarray(softmax(_logs(p) @ self.weight.T + self.bias, axis=1))


def fit_dirichlet(
    probs: ArrayLike, labels: ArrayLike, *, off_diagonal: float = 1e-2, intercept: float = 1e-2
) -> DirichletMap:
    """Fit the map on cases that neither trained nor test the classifier.

    `probs` (cases, classes), `labels` (cases,); `off_diagonal` is λ, `intercept` is μ. Raises
    InputError for an invalid or unlabelled row, or a negative penalty.
    """
    p, y = hard_pair(probs, labels)
    if off_diagonal < 0 or intercept < 0:
        raise InputError(
            f"off_diagonal, intercept: got {off_diagonal:g}, {intercept:g}, expected 0 or more"
        )
    logs, classes = _logs(p), p.shape[1]
    target = np.eye(classes)[y]
    off = 1 - np.eye(classes)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weight, bias = flat[:-classes].reshape(classes, classes), flat[-classes:]
        scores = log_softmax(logs @ weight.T + bias, axis=1)
        outside = off * weight
        pairs = classes * (classes - 1)
        value = -(target * scores).sum() / len(p)
        value += off_diagonal * np.square(outside).sum() / pairs
        value += intercept * np.square(bias).sum() / classes
        residual = (np.exp(scores) - target) / len(p)
        slope = residual.T @ logs + 2 * off_diagonal * outside / pairs
        return float(value), np.concatenate(
            [slope.ravel(), residual.sum(axis=0) + 2 * intercept * bias / classes]
        )

    start = np.concatenate([np.eye(classes).ravel(), np.zeros(classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return DirichletMap(found.x[:-classes].reshape(classes, classes), found.x[-classes:])


def _logs(probs: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probs, FLOOR)))
