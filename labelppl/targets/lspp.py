"""LS++: how the smoothed mass is spread over the other classes is learnt for each class.

t_i = (1 - alpha) e_y + alpha C_y, C (classes, classes) with zero diagonal, rows that sum to 1. The loss is half of CE(t, q)
for the network and half of CE(q, t) for C, each with the other held fixed (arXiv 2509.05307 and its released code). C's own
optimum is known: the gradient in its logits vanishes where

    C_yk = sum_i q_ik / sum_i (1 - q_iy),   k != y, over the cases i of class y,

so that no second optimiser is needed: what the student says of each class's cases is summed over an epoch, and C is
replaced at its end. It starts uniform, which is `paper-soft`. The factor of a half, which only halves the learning rate,
is left out. With two classes C has one other class and nothing to learn: refused, since it is `paper-soft`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .base import Target, Validation, check, promote, sum_over_processes
from .target_data import TargetData, one_hot

FEWEST_CLASSES = 3


class LSPP(Target):
    """alpha, in [0, 1]: the mass that leaves the label. Learns from labelled cases of three classes or more."""

    name = "lspp"
    needs_observe = True

    def __init__(self, alpha: float = 0.1) -> None:
        check(0 <= alpha <= 1, self.name, "alpha", alpha, "a number in [0, 1]")
        self.alpha = alpha

    def start(self, evidence: TargetData) -> Tensor:
        k = evidence.classes
        if k < FEWEST_CLASSES:
            raise InputError(
                f"target lspp: got {k} classes, expected at least {FEWEST_CLASSES}: with two it is paper-soft; use that"
            )
        self._true, self._hard = one_hot(evidence), evidence.hard
        like = {"dtype": torch.float64, "device": evidence.hard.device}
        self._spread = (1 - torch.eye(k, **like)) / (k - 1)
        self._sums = torch.zeros((k, k), **like)
        return self._targets()

    def observe(self, logits: Tensor, rows: Tensor) -> None:
        q = promote(logits).softmax(1).to(self._sums)
        self._sums.index_add_(0, self._hard[rows], q)

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor:
        sums = sum_over_processes(self._sums)
        off = sums * (1 - torch.eye(len(sums), dtype=sums.dtype, device=sums.device))
        total = off.sum(1, keepdim=True)
        self._spread = torch.where(
            total > 0, off / total.clamp_min(torch.finfo(off.dtype).tiny), self._spread
        )
        self._sums = torch.zeros_like(sums)
        return self._targets()

    def state_dict(self) -> dict[str, Tensor]:
        return {"spread": self._spread, "sums": self._sums}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor:
        device = self._hard.device
        self._spread, self._sums = state["spread"].to(device), state["sums"].to(device)
        return self._targets()

    def _targets(self) -> Tensor:
        mixed = (1 - self.alpha) * self._true + self.alpha * self._spread[self._hard]
        return mixed.to(self._true.dtype)
