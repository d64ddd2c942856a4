"""Majority vote with a stated rule for ties.

split    the tied classes share the probability: (.5, .5, 0)
abstain  a tied item gets NaN in every class and drops out of what follows
random   one of the tied classes, by seed

Taking the first of the tied classes, as an argmax does, favours whichever class is named first and is
not offered. An item without votes ties all classes under `split` and `random`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..arrays import Floats
from ..errors import InputError

TieRule = Literal["split", "abstain", "random"]


def majority(counts: Floats, ties: TieRule, seed: int = 0) -> Floats:
    """Votes `counts` (items, classes) -> probabilities (items, classes), one-hot where no tie."""
    top = counts == counts.max(1, keepdims=True)
    tied = top.sum(1) > 1
    if ties == "split":
        return top / top.sum(1, keepdims=True)
    if ties == "abstain":
        return np.where(tied[:, None], np.nan, top.astype(np.float64))
    if ties == "random":
        lot = np.random.default_rng(seed).random(counts.shape)
        winner = np.where(top, lot, -1.0).argmax(1)
        return np.eye(counts.shape[1])[winner]
    raise InputError(f"majority: got ties='{ties}', expected 'split', 'abstain' or 'random'")
