"""Knowledge distillation from a teacher, with temperature.

loss = (1 - alpha) CE(y, q) + alpha T^2 KL(softmax(z_t / T) || softmax(z / T)) (Hinton et al. 2015);
T^2 keeps the gradient's size as T grows, and at T -> infinity it becomes logit matching.
Assumption: the teacher's logits are computed once, on the training images without augmentation.
Target rows are [e_y, z_t], 2 K columns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .base import Target, check, promote, soft_cross_entropy
from .target_data import TargetData, one_hot, require


class KD(Target):
    """temperature T > 0 and alpha in [0, 1], the teacher's share. Learns from labelled cases."""

    name = "kd"
    needs_teacher = True

    def __init__(self, temperature: float = 4.0, alpha: float = 0.9) -> None:
        check(temperature > 0, self.name, "temperature", temperature, "a number > 0")
        check(0 <= alpha <= 1, self.name, "alpha", alpha, "a number in [0, 1]")
        self.temperature = temperature
        self.alpha = alpha

    def start(self, evidence: TargetData) -> Tensor:
        true = one_hot(evidence)
        teacher = require(evidence, "teacher", self.name)
        return torch.cat([true, promote(teacher).to(true.dtype)], 1)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        true, teacher = target.chunk(2, dim=1)
        kl = tempered_kl(teacher, logits, self.temperature)
        return (1 - self.alpha) * soft_cross_entropy(logits, true) + self.alpha * kl


def tempered_kl(teacher: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(logits / T)) per case (batch,)."""
    log_q = functional.log_softmax(promote(logits) / temperature, dim=1)
    log_p = functional.log_softmax(teacher.to(log_q.dtype) / temperature, dim=1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(1)
