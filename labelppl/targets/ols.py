"""Online label smoothing: each class's soft label is what the student says when it is right.

In epoch t: loss = alpha CE(e_y, q) + (1 - alpha) CE(S^{t-1}[y], q), S^0 = 1/K. The detached
train-mode softmax outputs of correctly classified cases, taken before the update, are summed into
row y of the next table; at the epoch's end each row is divided by its count; a class without
correct cases gets 1/K. Cross entropy is linear in its target, so the target of a case is the one
row alpha e_y + (1 - alpha) S[y]. Sums and counts are reduced over processes before dividing.

Source: Zhang et al., TIP 2021, arXiv 2011.12562. The released scripts differ from the paper: one
starts S at zeros, so that its first epoch is half the cross entropy; here it starts uniform as
published.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Target, Validation, check, promote, sum_over_processes
from .target_data import TargetData, one_hot


class OLS(Target):
    """alpha, in [0, 1]: the share of the hard label. Learns from labelled cases.

    table: (classes, classes), S in force; rows are true classes.
    """

    name = "ols"
    needs_observe = True

    def __init__(self, alpha: float = 0.5) -> None:
        check(0 <= alpha <= 1, self.name, "alpha", alpha, "a number in [0, 1]")
        self.alpha = alpha

    def start(self, evidence: TargetData) -> Tensor:
        self._true = one_hot(evidence)
        self._hard = evidence.hard
        k = evidence.classes
        like = {"dtype": torch.float64, "device": evidence.hard.device}
        self.table = torch.full((k, k), 1 / k, **like)
        self._sums = torch.zeros((k, k), **like)
        self._counts = torch.zeros(k, **like)
        return self._targets()

    def observe(self, logits: Tensor, rows: Tensor) -> None:
        y = self._hard[rows]
        q = promote(logits).softmax(1).to(self._sums)
        right = (logits.argmax(1) == y).to(q.dtype)
        self._sums.index_add_(0, y, q * right[:, None])
        self._counts.index_add_(0, y, right)

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor:
        sums, counts = sum_over_processes(self._sums), sum_over_processes(self._counts)
        uniform = torch.full_like(sums, 1 / sums.shape[1])
        self.table = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], uniform)
        self._sums = torch.zeros_like(sums)
        self._counts = torch.zeros_like(counts)
        return self._targets()

    def state_dict(self) -> dict[str, Tensor]:
        return {"table": self.table, "sums": self._sums, "counts": self._counts}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor:
        device = self._hard.device
        self.table = state["table"].to(device)
        self._sums = state["sums"].to(device)
        self._counts = state["counts"].to(device)
        return self._targets()

    def _targets(self) -> Tensor:
        mixed = self.alpha * self._true + (1 - self.alpha) * self.table[self._hard]
        return mixed.to(self._true.dtype)
