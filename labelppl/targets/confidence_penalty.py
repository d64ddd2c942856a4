"""Confidence penalty: hard labels, and a reward for an uncertain answer.

loss = -log q_y - beta H(q) (Pereyra et al. 2017). Up to a constant this adds beta KL(q || u), where
label smoothing adds KL(u || q). beta is chosen per task.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .base import Target, check, promote
from .target_data import TargetData, one_hot


class ConfidencePenalty(Target):
    """beta >= 0: the weight of the entropy, in nats. Learns from labelled cases."""

    name = "confidence-penalty"

    def __init__(self, beta: float = 0.1) -> None:
        check(beta >= 0, self.name, "beta", beta, "a number >= 0")
        self.beta = beta

    def start(self, evidence: TargetData) -> Tensor:
        return one_hot(evidence)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        log_q = functional.log_softmax(promote(logits), dim=1)
        entropy = -(log_q.exp() * log_q).sum(1)
        return -(target.to(log_q.dtype) * log_q).sum(1) - self.beta * entropy
