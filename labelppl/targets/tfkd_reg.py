"""Teacher-free distillation, regularisation: a virtual teacher that is right with .99.

u = .99 on the true class and .01 / (K - 1) elsewhere.

paper:    (1 - alpha) CE(y, q) + alpha * multiplier * KL(u_T || q_T), both tempered alike:
          u_T ∝ u^(1/T), q_T = softmax(z / T). multiplier defaults to T^2, as in `kd`: without it
          a temperature of 20 makes the term vanish.
official: (1 - alpha) CE(y, q) + alpha * multiplier * KL(softmax(u / T) || q) / K. The released code
          tempers the *probabilities* u as if they were logits, so that at T = 20 and K = 100 the
          true class gets .01050 against .00999: virtually uniform. It leaves the student untempered
          and averages over classes; multiplier defaults to K, which undoes that and is the
          published 100 at K = 100 (ResNet-18: T = 20, alpha = .1).

Source: Yuan et al. 2020, arXiv 1909.11723; yuanli2333/Teacher-free-Knowledge-Distillation,
my_loss_function.py. Target rows are [e_y, teacher's probabilities], 2 K columns.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import Target, check, promote, soft_cross_entropy
from .target_data import TargetData, one_hot


class TfKDReg(Target):
    """temperature T > 0, alpha in [0, 1], correct in (0, 1): the teacher's trust in the label.

    Learns from labelled cases.
    """

    name = "tfkd-reg"

    def __init__(
        self,
        temperature: float = 20.0,
        alpha: float = 0.1,
        multiplier: float | None = None,
        correct: float = 0.99,
        mode: Literal["paper", "official"] = "paper",
    ) -> None:
        check(temperature > 0, self.name, "temperature", temperature, "a number > 0")
        check(0 <= alpha <= 1, self.name, "alpha", alpha, "a number in [0, 1]")
        check(0 < correct < 1, self.name, "correct", correct, "a number in (0, 1)")
        check(mode in ("paper", "official"), self.name, "mode", mode, "'paper' or 'official'")
        self.temperature = temperature
        self.alpha = alpha
        self.multiplier = multiplier
        self.correct = correct
        self.mode = mode

    def start(self, evidence: TargetData) -> Tensor:
        true = one_hot(evidence)
        others = (1 - self.correct) / max(evidence.classes - 1, 1)
        u = self.correct * true + others * (1 - true)
        scores = u.log() if self.mode == "paper" else u
        return torch.cat([true, (scores / self.temperature).softmax(1)], 1)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        true, teacher = target.chunk(2, dim=1)
        z = promote(logits)
        if self.mode == "paper":
            log_q = functional.log_softmax(z / self.temperature, dim=1)
            scale = self.temperature**2 if self.multiplier is None else self.multiplier
        else:
            log_q = functional.log_softmax(z, dim=1)
            scale = 1.0 if self.multiplier is None else self.multiplier / logits.shape[1]
        teacher = teacher.to(log_q.dtype)
        kl = (teacher * (teacher.log() - log_q)).sum(1)
        return (1 - self.alpha) * soft_cross_entropy(logits, true) + self.alpha * scale * kl
