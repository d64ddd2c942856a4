"""The "soft" labels of Vega et al. (2021): {.1, .9} for two classes.

target_i = (1 - epsilon) e_{y_i} + epsilon / (K - 1) on each other class. With K = 2 and epsilon =
.1 this is {.1, .9}, where PyTorch's smoothing of .1 gives {.05, .95} (`smooth` at .2 is the
same).
"""

from __future__ import annotations

from torch import Tensor

from .base import Target, check
from .target_data import TargetData, one_hot


class PaperSoft(Target):
    """Hard labels with epsilon, in [0, 1], on the other classes. Learns from labelled cases."""

    name = "paper-soft"

    def __init__(self, epsilon: float = 0.1) -> None:
        check(0 <= epsilon <= 1, self.name, "epsilon", epsilon, "a number in [0, 1]")
        self.epsilon = epsilon

    def start(self, evidence: TargetData) -> Tensor:
        true = one_hot(evidence)
        others = self.epsilon / max(evidence.classes - 1, 1)
        return (1 - self.epsilon) * true + others * (1 - true)
