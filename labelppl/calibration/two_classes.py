"""The two-class form of predictions: p of the second class, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit as exact_logit

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import FLOOR, checked_probs, hard_pair


def positive(probs: ArrayLike) -> Floats:
    """Return p of the second class (cases,); raises InputError unless there are two classes."""
    p = checked_probs(probs)
    if p.shape[1] != 2:
        raise InputError(
            f"probs: got {p.shape[1]} classes, expected 2; take one class against the rest"
        )
    return p[:, 1]


def positive_pair(probs: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ints]:
    """Return (p of the second class, labels) of calibration cases, both (cases,).

    Raises InputError as `positive` does, for an unlabelled case, or where one class is absent.
    """
    p = positive(probs)
    _, y = hard_pair(probs, labels)
    if y.min() == y.max():
        raise InputError(
            f"labels: got class {int(y[0])} only, expected both classes; calibrate on more cases"
        )
    return p, y


def both(p: ArrayLike) -> Floats:
    """Return (cases, 2) from p of the second class (cases,)."""
    second = np.asarray(p, dtype=np.float64)
    return np.column_stack([1 - second, second])


def logit(p: Floats) -> Floats:
    """Return log p/(1 − p), with p kept 1e-12 away from 0 and 1."""
    return np.asarray(exact_logit(np.clip(p, FLOOR, 1 - FLOOR)))
