"""Teacher-free distillation, self-training: the teacher is the same network, trained before.

paper:    (1 - alpha) CE(y, q) + alpha * multiplier * T^2 KL(softmax(z_t/T) || softmax(z/T)).
official: the same with the KL averaged over classes too (PyTorch's `KLDivLoss()` divides by N K),
          which is why its published multipliers are large (50 for ResNet-18 on 100 classes).
Source: Yuan et al. 2020, arXiv 1909.11723, and yuanli2333/Teacher-free-Knowledge-Distillation,
my_loss_function.py: T = 6, alpha = .95, multiplier 50 (ResNet-18); T = 20, .95, 1 (MobileNetV2).
Target rows are [e_y, z_t], 2 K columns.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .base import check, soft_cross_entropy
from .kd import KD, tempered_kl


class TfKDSelf(KD):
    """As `KD`; mode and multiplier as above. Learns from labelled cases."""

    name = "tfkd-self"

    def __init__(
        self,
        temperature: float = 6.0,
        alpha: float = 0.95,
        multiplier: float = 1.0,
        mode: Literal["paper", "official"] = "paper",
    ) -> None:
        super().__init__(temperature, alpha)
        check(multiplier > 0, self.name, "multiplier", multiplier, "a number > 0")
        check(mode in ("paper", "official"), self.name, "mode", mode, "'paper' or 'official'")
        self.multiplier = multiplier
        self.mode = mode

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        true, teacher = target.chunk(2, dim=1)
        kl = self.multiplier * tempered_kl(teacher, logits, self.temperature)
        if self.mode == "official":
            kl = kl / logits.shape[1]
        return (1 - self.alpha) * soft_cross_entropy(logits, true) + self.alpha * kl
