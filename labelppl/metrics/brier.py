"""Brier score.

    two classes   mean_i (p_i − y_i)²            p, y of the second class; range [0, 1]
    more          mean_i Σ_k (p_ik − y_ik)²      range [0, 2]

The sum over classes of a two-class problem is exactly twice the binary score, so the two
conventions must not be compared with each other: the number of classes decides which is meant.
Against soft labels (cases, classes) the residual is p − p*, which measures how well the reference
is recovered, not how well the truth is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs, hard_pair
from .metric import mean_metric


def brier(probs: ArrayLike, reference: ArrayLike) -> float:
    """Return the Brier score of `probs` (cases, classes).

    `reference` is hard labels (cases,) or soft labels (cases, classes). Raises InputError for an
    invalid row, an unlabelled case or shapes that differ.
    """
    if np.ndim(reference) == 2:
        p, target = checked_probs(probs), checked_probs(reference, "reference")
        if p.shape != target.shape:
            raise InputError(f"reference: got shape {target.shape}, expected {p.shape} like probs")
    else:
        p, labels = hard_pair(probs, reference)
        target = np.eye(p.shape[1])[labels]
    return float(brier_per_case(p, target).mean())


def brier_per_case(probs: Floats, target: Floats) -> Floats:
    """Return the score of each case (cases,) against `target` (cases, classes)."""
    squares = np.square(probs - target)
    return squares[:, 1] if probs.shape[1] == 2 else np.asarray(squares.sum(axis=1))


BRIER = mean_metric(
    "brier",
    "Brier score",
    "mean squared error of the probabilities; proper, lower is better",
    "down",
    lambda scored: brier_per_case(scored.probs, scored.target),
)
