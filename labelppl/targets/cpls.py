"""Confusion-penalty label smoothing: mass goes to the classes the student confuses.

target_i = (1 - epsilon) e_y + epsilon C[y], C[y] = row y of the *validation* confusion matrix of
the last epoch without its diagonal, normalised; uniform over the other classes where nothing was
confused, and in the first epoch. The test split is never used.

Approximation: Kuiry et al. 2024, arXiv 2403.10881, add a hybrid hard loss whose exact weights
could not be recovered (no code is published). Cross entropy is linear in its target, so a hard
loss beside this target only makes epsilon smaller.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .base import Target, Validation, check
from .target_data import TargetData, one_hot


class CPLS(Target):
    """epsilon, in [0, 1]: the mass on confused classes. Learns from labelled cases.

    confusions: (classes, classes), C in force; zero diagonal, rows sum to 1.
    """

    name = "cpls"
    needs_validation = True

    def __init__(self, epsilon: float = 0.1) -> None:
        check(0 <= epsilon <= 1, self.name, "epsilon", epsilon, "a number in [0, 1]")
        self.epsilon = epsilon

    def start(self, evidence: TargetData) -> Tensor:
        self._true = one_hot(evidence)
        self._hard = evidence.hard
        k = evidence.classes
        self.confusions = off_diagonal(self._true.new_zeros((k, k)))
        return self._targets()

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor:
        if validation is None or not bool((validation.hard >= 0).any()):
            raise InputError(
                f"target {self.name}: got no labelled validation case, expected some: its labels "
                "are made of the validation confusions; add a val split"
            )
        counts = confusion(validation.logits, validation.hard, self._true.shape[1])
        self.confusions = off_diagonal(counts.to(self._true))
        return self._targets()

    def state_dict(self) -> dict[str, Tensor]:
        return {"confusions": self.confusions}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor:
        self.confusions = state["confusions"].to(self._true)
        return self._targets()

    def _targets(self) -> Tensor:
        return (1 - self.epsilon) * self._true + self.epsilon * self.confusions[self._hard]


def confusion(logits: Tensor, hard: Tensor, classes: int) -> Tensor:
    """Count the validation cases by true and predicted class.

    Args:
        logits: The student's logits, (cases, classes).
        hard: Codes of the classes, (cases,) int64; unlabelled cases (-1) are left out.
        classes: The number of classes.

    Returns:
        Counts (classes, classes), true class by predicted class.

    Examples:
        >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> confusion(logits, torch.tensor([0, 1, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    labelled = hard >= 0
    cells = hard[labelled] * classes + logits[labelled].argmax(1)
    return torch.bincount(cells, minlength=classes**2).reshape(classes, classes)


def off_diagonal(counts: Tensor) -> Tensor:
    """Rows of counts without the diagonal, normalised; uniform where nothing was confused."""
    k = counts.shape[0]
    off = counts * (1 - torch.eye(k, dtype=counts.dtype, device=counts.device))
    total = off.sum(1, keepdim=True)
    uniform = (1 - torch.eye(k, dtype=counts.dtype, device=counts.device)) / max(k - 1, 1)
    return torch.where(total > 0, off / total.clamp(min=1), uniform)
