"""The two-class form of predictions: p of the second class, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit as exact_logit

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import FLOOR, checked_probs
from .base import soft_target


def positive(probs: ArrayLike) -> Floats:
    """Return p of the second class (cases,); raises InputError unless there are two classes."""
    p = checked_probs(probs)
    if p.shape[1] != 2:
        raise InputError(
            f"probs: got {p.shape[1]} classes, expected 2; take one class against the rest"
        )
    return p[:, 1]


def positive_target(probs: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Return (p of the second class, what it should have been) of calibration cases, both (cases,).

    `reference` as in `base`. Raises InputError as `positive` does, for a reference that does not fit, or
    where hard labels hold a single class.
    """
    p = positive(probs)
    _, target = soft_target(probs, reference)
    if np.ndim(reference) == 1 and len(np.unique(target[:, 1])) < 2:
        raise InputError(
            f"labels: got class {int(target[0, 1])} only, expected both classes; calibrate on more "
            "cases"
        )
    return p, target[:, 1]


def twice(features: Floats, target: Floats) -> tuple[Floats, Floats, Floats]:
    """Return features, 0/1 outcomes and weights of both labels of every case.

    A soft target is the same loss as both labels, weighted by it.
    """
    outcome = np.repeat([1.0, 0.0], len(target))
    return np.tile(features, (2, 1)), outcome, np.concatenate([target, 1 - target])


def both(p: ArrayLike) -> Floats:
    """Return (cases, 2) from p of the second class (cases,)."""
    second = np.asarray(p, dtype=np.float64)
    return np.column_stack([1 - second, second])


def clipped_logit(p: Floats) -> Floats:
    """Return log p/(1 − p), with p kept 1e-12 away from 0 and 1."""
    return np.asarray(exact_logit(np.clip(p, FLOOR, 1 - FLOOR)))
