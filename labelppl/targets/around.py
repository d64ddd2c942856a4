"""A target around another: it answers as that one does, save where it changes something."""

from __future__ import annotations

import torch
from torch import Tensor

from ..students.pooling import CaseBatchLike
from .base import Target, Validation
from .target_data import TargetData


class Around(Target):
    """Learns from the same cases as `target`, and needs what it needs; implement `start` and what else differs."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.needs_teacher = target.needs_teacher
        self.needs_full_head = target.needs_full_head
        self.needs_observe = target.needs_observe
        self.needs_validation = target.needs_validation
        self.head = target.head

    def usable(self, evidence: TargetData) -> Tensor:
        return self.target.usable(evidence)

    def observe(self, logits: Tensor, rows: Tensor) -> None:
        self.target.observe(logits, rows)

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor | None:
        return self.target.end_epoch(epoch, epochs, validation)

    def mix(
        self, images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        return self.target.mix(images, targets, generator)

    @property
    def needs_one_image(self) -> bool:
        return self.target.needs_one_image

    def complete(self, seen: CaseBatchLike, targets: Tensor) -> Tensor:
        return self.target.complete(seen, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        return self.target.probabilities(logits)

    def state_dict(self) -> dict[str, Tensor]:
        return self.target.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor | None:
        return self.target.load_state_dict(state)
