"""Reward-augmented smoothing: mass falls off with the distance between classes.

target_i(k) ∝ exp(-d(y_i, k) / tau) (Norouzi et al. 2016, arXiv 1609.00150, with reward -d). By
default d(y, k) = |y - k|, which assumes that the classes are declared in their order; give
`distance` for anything else. With d = 0/1 this is label smoothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .base import Target, check
from .target_data import TargetData, one_hot


class RAML(Target):
    """tau > 0: the distance over which mass falls by e. Learns from labelled cases.

    distance: (classes, classes), row = the label; None for |y - k|.
    """

    name = "raml"

    def __init__(self, tau: float = 0.5, distance: Tensor | None = None) -> None:
        check(tau > 0, self.name, "tau", tau, "a number > 0")
        self.tau = tau
        self.distance = distance

    def start(self, evidence: TargetData) -> Tensor:
        true = one_hot(evidence)
        k = evidence.classes
        if self.distance is None:
            order = torch.arange(k, dtype=true.dtype, device=true.device)
            distance = (order[:, None] - order).abs()
        else:
            distance = self.distance.to(true)
        if distance.shape != (k, k):
            raise InputError(
                f"target raml: distance: got shape {tuple(distance.shape)}, expected {(k, k)}"
            )
        return (-distance / self.tau).softmax(1)[evidence.hard]
