"""Mean vote: p(k) = (c_k + a) / (N + K a). The estimand is what raters say, not what is true.

With a = 0 it is the share of votes; an item without votes has no share and gets NaN. With a > 0 it is
the posterior mean under Dirichlet(a), and an item without votes gets the uniform prior.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..errors import InputError


def vote_shares(counts: Floats, smoothing: float = 0.0) -> Floats:
    """Votes `counts` (items, classes) -> probabilities (items, classes)."""
    if smoothing < 0:
        raise InputError(f"vote_shares: got smoothing {smoothing:g}, expected 0 or more")
    smoothed = counts + smoothing
    total = smoothed.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, smoothed / total, np.nan)
