"""Mean vote: p(k) = (c_k + a) / (N + K a). The estimand is what raters say, not what is true.

With a = 0 it is the share of votes; an item without votes has no share and gets NaN. With a > 0 it is
the posterior mean under Dirichlet(a), and an item without votes gets the uniform prior.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..errors import InputError


def vote_shares(counts: Floats, smoothing: float = 0.0) -> Floats:
    """Mean vote of each item: p(k) = (c_k + a) / (N + K a).

    The estimand is what raters say, not what is true.

    Args:
        counts: Votes for each class, (items, classes).
        smoothing: a, pseudo-votes added to every class, 0 or more.

    Returns:
        Probabilities (items, classes); NaN for an item without votes where ``smoothing`` is 0.

    Raises:
        InputError: ``smoothing`` is negative.

    Examples:
        >>> vote_shares(np.array([[3.0, 1.0], [0.0, 0.0]]), smoothing=1.0).round(3).tolist()
        [[0.667, 0.333], [0.5, 0.5]]
    """
    if smoothing < 0:
        raise InputError(f"vote_shares: got smoothing {smoothing:g}, expected 0 or more")
    smoothed = counts + smoothing
    total = smoothed.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, smoothed / total, np.nan)
