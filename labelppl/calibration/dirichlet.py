"""Dirichlet calibration: the multiclass map that is linear in log p.

    q = softmax(W log p + b)
    (W, b) = argmin cross-entropy + λ Σ_{i≠j} W_ij² / (K(K − 1)) + μ Σ_i b_i² / K

The off-diagonal and intercept penalty (ODIR) leaves the diagonal free, so that λ, μ → ∞ approaches
scaling each class alone. W = I, b = 0 is the identity. Source: Kull et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import FLOOR, checked_probs
from .base import Recalibration, soft_target

PENALTY = 1e-2
"""λ and μ; the middle of the grid of the source."""


@dataclass(frozen=True, eq=False)
class DirichletMap(Recalibration):
    """The Dirichlet map: a linear map of the log probabilities.

    Args:
        weight: (classes, classes).
        bias: (classes,).
        off_diagonal: λ, the penalty of the weights beside the diagonal.
        shift: μ, the penalty of the intercepts.

    Examples:
        >>> import numpy as np
        >>> p = np.tile([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]], (50, 1))
        >>> reference = np.tile([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]], (50, 1))
        >>> bool(abs(DirichletMap().fit(p, reference).transform(p)[0, 0] - 0.6) < 0.02)
        True
    """

    weight: Floats = field(default_factory=lambda: np.eye(2))
    bias: Floats = field(default_factory=lambda: np.zeros(2))
    off_diagonal: float = PENALTY
    shift: float = PENALTY
    name: ClassVar[str] = "dirichlet"

    def fit(self, probs: ArrayLike, reference: ArrayLike) -> DirichletMap:
        """Return the map with the weights and intercepts that fit best."""
        if self.off_diagonal < 0 or self.shift < 0:
            raise InputError(
                f"off_diagonal, shift: got {self.off_diagonal:g}, {self.shift:g}, expected 0 or more"
            )
        p, target = soft_target(probs, reference)
        logs, classes = _logs(p), p.shape[1]
        off = 1 - np.eye(classes)

        def loss(flat: Floats) -> tuple[float, Floats]:
            weight, bias = flat[:-classes].reshape(classes, classes), flat[-classes:]
            scores = log_softmax(logs @ weight.T + bias, axis=1)
            outside = off * weight
            pairs = classes * (classes - 1)
            value = -(target * scores).sum() / len(p)
            value += self.off_diagonal * np.square(outside).sum() / pairs
            value += self.shift * np.square(bias).sum() / classes
            residual = (np.exp(scores) * target.sum(axis=1, keepdims=True) - target) / len(p)
            slope = residual.T @ logs + 2 * self.off_diagonal * outside / pairs
            return float(value), np.concatenate(
                [slope.ravel(), residual.sum(axis=0) + 2 * self.shift * bias / classes]
            )

        start = np.concatenate([np.eye(classes).ravel(), np.zeros(classes)])
        best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
        weight = best[:-classes].reshape(classes, classes)
        return DirichletMap(weight, best[-classes:], self.off_diagonal, self.shift)

    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, classes) recalibrated."""
        p = checked_probs(probs)
        if p.shape[1] != len(self.bias) or self.weight.shape != (p.shape[1],) * 2:
            raise InputError(f"probs: got {p.shape[1]} classes, expected {len(self.bias)}")
        return np.asarray(softmax(_logs(p) @ self.weight.T + self.bias, axis=1))


def _logs(probs: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probs, FLOOR)))
