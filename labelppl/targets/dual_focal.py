"""Dual focal loss: a case is easy when its label leads the runner-up, not when it is near one.

l_k = -(1 - q_k + q_j)^gamma log q_k, q_j the largest probability strictly below q_k (0 where
there is none), loss = l_y (Tao et al. 2023, arXiv 2305.13665). As `focal`, not linear in a target
(soft labels: sum_k p_k l_k) and not proper. q_j carries gradient, as in the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import check
from .focal import Focal
from .target_data import Base


class DualFocal(Focal):
    """gamma >= 0; base: which labels. Learns from labelled cases (base "hard") or all ("soft")."""

    name = "dual-focal"

    def __init__(self, gamma: float = 5.0, base: Base = "hard") -> None:
        check(not isinstance(gamma, str), self.name, "gamma", gamma, "a number >= 0")
        super().__init__(gamma, base)
        self.power = gamma

    def _hardness(self, q: Tensor) -> Tensor:
        ordered = q.sort(1).values
        below = torch.searchsorted(ordered.detach(), q.detach().contiguous(), side="left")
        runner_up = ordered.gather(1, (below - 1).clamp(min=0)) * (below > 0)
        return (1 - q + runner_up).clamp(min=torch.finfo(q.dtype).tiny) ** self.power
