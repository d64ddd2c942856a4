"""Focal loss: easy cases weigh less.

l_k = -(1 - q_k)^gamma log q_k, loss = l_y (Lin et al. 2017). gamma is a number, or "flsd53": 5
where q_k < .2, else 3 (Mukhoti et al. 2020, arXiv 2002.09437). The loss is *not* linear in a
target: with soft labels it is defined here as sum_k p_k l_k, its expectation under p. Nor is it
proper: its minimiser is a biased (underconfident) probability.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import Target, check, promote
from .target_data import Base, TargetData, base_labels


class Focal(Target):
    """gamma >= 0, or "flsd53"; base: which labels.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "focal"

    def __init__(self, gamma: float | Literal["flsd53"] = 3.0, base: Base = "hard") -> None:
        ok = gamma == "flsd53" or (not isinstance(gamma, str) and gamma >= 0)
        check(ok, self.name, "gamma", gamma, "a number >= 0 or 'flsd53'")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.gamma = gamma
        self.base: Base = base

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        return base_labels(evidence, self.base, self.name)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        log_q = functional.log_softmax(promote(logits), dim=1)
        per_class = -self._hardness(log_q.exp()) * log_q
        return (target.to(log_q.dtype) * per_class).sum(1)

    def _hardness(self, q: Tensor) -> Tensor:
        """(1 - q_k)^gamma, (batch, classes)."""
        # 1 - q is kept off zero because the gradient of 0 ** gamma is NaN for gamma < 1.
        rest = (1 - q).clamp(min=torch.finfo(q.dtype).tiny)
        if isinstance(self.gamma, str):
            return torch.where(q.detach() < 0.2, rest**5, rest**3)
        return rest**self.gamma
