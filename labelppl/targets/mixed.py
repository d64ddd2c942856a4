"""Hard and soft labels mixed in one cross entropy.

target_i = alpha e_{y_i} + (1 - alpha) p(Y|z_i). Cross entropy is linear in its target, so this is
one mixed label and *not* the paper's eq. 5, which trusts the soft labels through the weights
instead. Kept as a baseline: it separates what the weight prior adds from what mixing adds.
"""

from __future__ import annotations

from torch import Tensor

from .base import Target, check
from .target_data import TargetData, one_hot, require


class Mixed(Target):
    """alpha, in [0, 1]: the share of the hard label. Learns from labelled cases."""

    name = "mixed"

    def __init__(self, alpha: float = 0.5) -> None:
        check(0 <= alpha <= 1, self.name, "alpha", alpha, "a number in [0, 1]")
        self.alpha = alpha

    def start(self, evidence: TargetData) -> Tensor:
        soft = require(evidence, "soft", self.name)
        return self.alpha * one_hot(evidence) + (1 - self.alpha) * soft
