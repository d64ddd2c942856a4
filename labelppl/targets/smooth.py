"""Label smoothing: mass epsilon shared evenly among all classes, the true one included.

target_i = (1 - epsilon) e_{y_i} + epsilon / K, as in PyTorch's `label_smoothing` (Szegedy et al.
2016). Some code puts epsilon / (K - 1) on the other classes alone; that is `paper-soft` here.
"""

from __future__ import annotations

from torch import Tensor

from .base import Target, check
from .target_data import TargetData, one_hot


class Smooth(Target):
    """Smoothed hard labels. epsilon: the mass shared, in [0, 1]. Learns from labelled cases."""

    name = "smooth"

    def __init__(self, epsilon: float = 0.1) -> None:
        check(0 <= epsilon <= 1, self.name, "epsilon", epsilon, "a number in [0, 1]")
        self.epsilon = epsilon

    def start(self, evidence: TargetData) -> Tensor:
        return (1 - self.epsilon) * one_hot(evidence) + self.epsilon / evidence.classes
