"""Majority vote with a stated rule for ties.

split    the tied classes share the probability: (.5, .5, 0)
abstain  a tied item gets NaN in every class and drops out of what follows
seeded   one of the tied classes, drawn by seed
lowest   the first of the tied classes in their order, as an argmax does; it favours the class named first

An item without votes ties all classes. The target `majority` of ``distill`` and ``compare`` uses this rule.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ..arrays import Floats
from ..errors import InputError
from ..seeds import stream

TieRule = Literal["split", "abstain", "seeded", "lowest"]
TIE_RULES: tuple[str, ...] = get_args(TieRule)


def majority(counts: Floats, ties: TieRule, seed: int = 0) -> Floats:
    """The class with the most votes.

    Args:
        counts: Votes for each class, (items, classes).
        ties: What to do where several classes have the most votes: ``split``, ``abstain``, ``seeded`` or ``lowest``.
        seed: Of the rule ``seeded``.

    Returns:
        Probabilities (items, classes): one-hot where no tie; NaN in a tied row under ``abstain``.

    Raises:
        InputError: For another rule.

    Examples:
        >>> majority(np.array([[3.0, 1.0], [2.0, 2.0]]), "split")
        array([[1. , 0. ],
               [0.5, 0.5]])
    """
    top = counts == counts.max(1, keepdims=True)
    tied = top.sum(1) > 1
    if ties == "split":
        return top / top.sum(1, keepdims=True)
    if ties == "abstain":
        return np.where(tied[:, None], np.nan, top.astype(np.float64))
    if ties not in TIE_RULES:
        raise InputError(f"majority: got ties='{ties}', expected one of {', '.join(TIE_RULES)}")
    order = top.astype(np.float64)
    if ties == "seeded":
        order = np.where(top, stream(seed, "majority").numpy().random(counts.shape), -1.0)
    one_hot: Floats = np.eye(counts.shape[1])[order.argmax(1)]
    return one_hot
