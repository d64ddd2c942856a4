"""Kullback–Leibler divergence from a reference distribution to the prediction, in nats.

    KL(p* ‖ q) = Σ_k p*_k log( p*_k / max(q_k, eps) ),   0 log 0 = 0

`eps` bounds what one case can cost: with one-hot references the divergence is −log q of the label
and eps alone decides the worst case, so it is an explicit argument. The reference is never touched.
`kl_dcic` reproduces the published number of the data-centric image classification benchmark, which
clips both distributions to [1e-5, 1 − 1e-5] without renormalising and can therefore be negative:
use it to compare with their tables, and with nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import FLOOR, checked_probs
from .metric import mean_metric

EPS = FLOOR
DCIC_EPS = 1e-5
"""The clip of the benchmark's own code (Schmarje et al. 2022)."""


def kl_divergence(reference: ArrayLike, probs: ArrayLike, *, eps: float = EPS) -> float:
    """Return the mean KL(reference ‖ probs) in nats; both arguments are (cases, classes).

    Raises InputError for an invalid row, shapes that differ, or eps outside (0, 1).
    """
    return float(kl_per_case(*_pair(reference, probs, eps), eps).mean())


def kl_per_case(reference: Floats, probs: Floats, eps: float = EPS) -> Floats:
    """Return KL(reference ‖ probs) of each case (cases,), in nats."""
    return np.asarray(rel_entr(reference, np.maximum(probs, eps)).sum(axis=1))


def kl_dcic(reference: ArrayLike, probs: ArrayLike, *, eps: float = DCIC_EPS) -> float:
    """Return the KL of the DCIC benchmark: both sides clipped to [eps, 1 − eps], row mean, nats.

    A replica, see the module. Raises InputError as `kl_divergence` does.
    """
    return float(_dcic_per_case(*_pair(reference, probs, eps), eps).mean())


def _dcic_per_case(reference: Floats, probs: Floats, eps: float) -> Floats:
    p, q = (np.clip(side, eps, 1 - eps) for side in (reference, probs))
    return np.asarray((p * np.log(p / q)).sum(axis=1))


def _pair(reference: ArrayLike, probs: ArrayLike, eps: float) -> tuple[Floats, Floats]:
    if not 0.0 < eps < 1.0:
        raise InputError(f"eps: got {eps:g}, expected a number between 0 and 1, such as 1e-12")
    p, q = checked_probs(reference, "reference"), checked_probs(probs)
    if p.shape != q.shape:
        raise InputError(f"reference: got shape {p.shape}, expected {q.shape} like probs")
    return p, q


KL = mean_metric(
    "kl",
    "KL from the soft labels",
    "mean KL divergence from the soft labels to the student, in nats; 0 is perfect recovery",
    "down",
    lambda scored: kl_per_case(scored.require("soft"), scored.probs, scored.settings.eps),
    needs=("soft",),
)
KL_TRUE = mean_metric(
    "kl_true",
    "KL from the true p(Y|X)",
    "mean KL divergence from the phantom's true p(Y|X) to the student, in nats",
    "down",
    lambda scored: kl_per_case(scored.require("truth"), scored.probs, scored.settings.eps),
    needs=("truth",),
)
KL_DCIC = mean_metric(
    "kl_dcic",
    "KL as in the DCIC benchmark",
    "KL from the soft labels as the data-centric benchmark prints it, only to compare with its tables",
    "down",
    lambda scored: _dcic_per_case(scored.require("soft"), scored.probs, DCIC_EPS),
    needs=("soft",),
    asked=True,
)
