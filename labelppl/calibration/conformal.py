"""Split conformal prediction sets: sets of classes that hold the label with a stated frequency.

    score s = 1 − p(label);  q = the ⌈(n + 1)(1 − α)⌉-th smallest calibration score
    set(x) = {k : 1 − p_k(x) ≤ q}

Coverage is in [1 − α, 1 − α + 1/(n + 1)] for exchangeable cases without ties, whatever the model. It
holds on average over classes; the class-conditional form takes one q per class from the calibration
cases of that class and holds for each, at the price of larger sets. Where ⌈(n + 1)(1 − α)⌉ > n
there are too few cases to promise anything and every class is in the set.
Source: Vovk, Gammerman & Shafer 2005; Sadinle, Lei & Wasserman 2019.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs, hard_pair


class Conformal(NamedTuple):
    """Score limit per class (classes,), infinite where every case keeps the class; and alpha."""

    limit: Floats
    alpha: float

    def sets(self, probs: ArrayLike) -> NDArray[np.bool_]:
        """Return membership (cases, classes); raises InputError for an invalid row."""
        p = checked_probs(probs)
        if p.shape[1] != len(self.limit):
            raise InputError(f"probs: got {p.shape[1]} classes, expected {len(self.limit)}")
        return np.asarray(1 - p <= self.limit)


def fit_conformal(
    probs: ArrayLike, labels: ArrayLike, *, alpha: float = 0.1, by_class: bool = False
) -> Conformal:
    """Find the score limits on cases that neither trained nor test the classifier.

    `probs` (cases, classes), `labels` (cases,); sets miss the label with frequency at most
    `alpha`, within every class where `by_class`. Raises InputError for an invalid or unlabelled
    row, or alpha outside (0, 1).
    """
    p, y = hard_pair(probs, labels)
    if not 0 < alpha < 1:
        raise InputError(f"alpha: got {alpha:g}, expected a number between 0 and 1, such as 0.1")
    scores = 1 - np.take_along_axis(p, y[:, None], axis=1)[:, 0]
    classes = range(p.shape[1])
    if by_class:
        limits = [_limit(scores[y == k], alpha) for k in classes]
    else:
        limits = [_limit(scores, alpha) for _ in classes]
    return Conformal(np.array(limits), alpha)


def _limit(scores: Floats, alpha: float) -> float:
    # Rounded first: (9 + 1)(1 - .1) is 9.000000000000002 in floating point, and its ceiling 10.
    rank = math.ceil(round((len(scores) + 1) * (1 - alpha), 9))
    return math.inf if rank > len(scores) else float(np.sort(scores)[rank - 1])
