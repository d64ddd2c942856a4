"""Any target beside the mean of an ensemble: what several students with other seeds say of a training case.

    loss = (1 - share) loss of the target + share CE(qbar, q),   qbar = (1/M) sum_m q_m(x)

(Hinton, Vinyals and Dean 2015, arXiv 1503.02531, for the ensemble in one network; Lakshminarayanan, Pritzel and Blundell
2017, arXiv 1612.01474, for the mean of probabilities.) The log loss of the mean is at most the mean of the
members' log losses (Jensen), and a student that learns it costs one at prediction. Target rows are those of the target, then
qbar.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..records import digest
from ..students.pooling import CaseBatchLike
from .around import Around
from .base import Target, Validation, check, soft_cross_entropy
from .target_data import TargetData

#: Share of the ensemble beside the target: as much as the target itself.
MEMBERS_SHARE = 0.5


class Ensembled(Around):
    """target: what is learned beside the ensemble. mean: qbar (cases, classes) of the cases that `target` can use.

    Raises InputError for a Dirichlet head, whose concentrations no mean of probabilities says, and a share outside (0, 1).
    """

    name = "ensembled"

    def __init__(self, target: Target, mean: Tensor, share: float = MEMBERS_SHARE) -> None:
        check(0 < share < 1, self.name, "share", share, "a number between 0 and 1")
        refuse_head(target)
        super().__init__(target)
        self.mean, self.share = mean, share

    def record(self) -> dict[str, Any]:
        return {
            "target": self.name,
            "of": self.target.record(),
            "share": self.share,
            "mean": digest(self.mean.cpu().numpy()),
        }

    def start(self, evidence: TargetData) -> Tensor:
        return self._beside(self.target.start(evidence))

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        columns = target.shape[1] - self.mean.shape[1]
        own, mean = target[:, :columns], target[:, columns:]
        losses = self.target.loss(logits, own, rows)
        return (1 - self.share) * losses + self.share * soft_cross_entropy(logits, mean)

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor | None:
        renewed = super().end_epoch(epoch, epochs, validation)
        return None if renewed is None else self._beside(renewed)

    def complete(self, seen: CaseBatchLike, targets: Tensor) -> Tensor:
        columns = targets.shape[1] - self.mean.shape[1]
        own = super().complete(seen, targets[:, :columns])
        return torch.cat([own, targets[:, columns:]], 1)

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor | None:
        renewed = super().load_state_dict(state)
        return None if renewed is None else self._beside(renewed)

    def _beside(self, own: Tensor) -> Tensor:
        return torch.cat([own, self.mean.to(own)], 1)


def refuse_head(target: Target) -> None:
    """InputError for a target whose students say concentrations, not probabilities."""
    if target.head == "dirichlet":
        raise InputError(
            f"ensemble: target {target.name} learns concentrations, which the mean of an ensemble's probabilities does not "
            "have; leave --ensemble out or choose another --target"
        )
