"""Progressive self-distillation: the student's own answers of the previous epoch join the label.

In epoch t (from 1) of T: target_i = (1 - a_t) e_y + a_t p_i^{t-1}, a_t = alpha_last t / T; the
first epoch, without a past, has the hard label. PS-KD: Kim et al. 2021, arXiv 2006.12000.
Approximation: p_i^{t-1} is the student's train-mode output for the case *as seen* in the last
epoch (its augmentation, before that update), not a second pass with a copy of last epoch's
network; it costs nothing. A case not seen in an epoch keeps its older answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Target, Validation, check, promote, sum_over_processes
from .target_data import TargetData, one_hot


class SelfDistillation(Target):
    """alpha_last, in [0, 1]: the share of its own answer at the end. Learns from labelled cases."""

    name = "self-distillation"
    needs_observe = True

    def __init__(self, alpha_last: float = 0.8) -> None:
        check(0 <= alpha_last <= 1, self.name, "alpha_last", alpha_last, "a number in [0, 1]")
        self.alpha_last = alpha_last

    def start(self, evidence: TargetData) -> Tensor:
        self._true = one_hot(evidence)
        self._past = self._true.clone()
        self._share = torch.zeros((), dtype=torch.float64)
        self._sums = torch.zeros_like(self._true)
        self._counts = self._true.new_zeros(len(evidence))
        return self._targets()

    def observe(self, logits: Tensor, rows: Tensor) -> None:
        q = promote(logits).softmax(1).to(self._sums)
        rows = rows.to(self._sums.device)
        self._sums.index_add_(0, rows, q)
        self._counts.index_add_(0, rows, q.new_ones(len(rows)))

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor:
        sums, counts = sum_over_processes(self._sums), sum_over_processes(self._counts)
        mean = sums / counts.clamp(min=1)[:, None]
        self._past = torch.where(counts[:, None] > 0, mean, self._past)
        self._share = torch.tensor(self.alpha_last * min(epoch + 2, epochs) / epochs).double()
        self._sums = torch.zeros_like(sums)
        self._counts = torch.zeros_like(counts)
        return self._targets()

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "past": self._past,
            "share": self._share,
            "sums": self._sums,
            "counts": self._counts,
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor:
        self._past = state["past"].to(self._true)
        self._share = state["share"]
        self._sums = state["sums"].to(self._true)
        self._counts = state["counts"].to(self._true)
        return self._targets()

    def _targets(self) -> Tensor:
        share = float(self._share)
        return (1 - share) * self._true + share * self._past
