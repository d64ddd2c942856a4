"""Margin-based label smoothing: logits more than a margin below the largest are pulled up, the others left alone.

loss = CE(t, q) + alpha mean_k (z_max - z_k - margin)_+, the mean over the classes too (Liu et al., CVPR 2022, arXiv
2111.15430, and its released code; alpha = .1, margin = 10). With margin 0 it is a penalty on every distance, as in label
smoothing. One neuron is read as the logits [0, l].
"""

from __future__ import annotations

from torch import Tensor

from .base import Target, check, promote, soft_cross_entropy
from .target_data import Base, TargetData, base_labels


class MbLS(Target):
    """alpha >= 0; margin >= 0, in logits; base: which labels.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "mbls"

    def __init__(self, alpha: float = 0.1, margin: float = 10.0, base: Base = "hard") -> None:
        check(alpha >= 0, self.name, "alpha", alpha, "a number >= 0")
        check(margin >= 0, self.name, "margin", margin, "a number >= 0")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.alpha = alpha
        self.margin = margin
        self.base: Base = base

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        return base_labels(evidence, self.base, self.name)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        z = promote(logits)
        beyond = (z.amax(1, keepdim=True) - z - self.margin).relu()
        return soft_cross_entropy(z, target) + self.alpha * beyond.mean(1)
