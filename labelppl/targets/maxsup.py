"""MaxSup: the largest logit is pressed towards the mean logit, right or wrong.

loss = CE(t, q) + alpha (z_max - mean z); gradient q - t + alpha (e_max - 1/K). Where the largest logit is that of the
label this is label smoothing, LS - CE = epsilon (z_y - mean z); where it is another class, label smoothing would press the
label down and MaxSup presses the mistake (Zhou et al. 2025, arXiv 2502.15798; the released code lets alpha rise from .1 to
.2). One neuron is read as the logits [0, l].
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Target, Validation, check, promote, soft_cross_entropy
from .target_data import Base, TargetData, base_labels


class MaxSup(Target):
    """alpha at the first epoch and at the last; base: which labels.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "maxsup"

    def __init__(
        self, alpha: float = 0.1, alpha_last: float | None = 0.2, base: Base = "hard"
    ) -> None:
        check(alpha >= 0, self.name, "alpha", alpha, "a number >= 0")
        last = alpha if alpha_last is None else alpha_last
        check(last >= 0, self.name, "alpha_last", last, "a number >= 0, or None = alpha")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.alpha = alpha
        self.alpha_last = last
        self.base: Base = base
        self._now = alpha

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        self._now = self.alpha
        return base_labels(evidence, self.base, self.name)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        z = promote(logits)
        return soft_cross_entropy(z, target) + self._now * (z.amax(1) - z.mean(1))

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor | None:
        done = (epoch + 1) / max(1, epochs - 1)
        self._now = self.alpha + min(done, 1.0) * (self.alpha_last - self.alpha)
        return None

    def state_dict(self) -> dict[str, Tensor]:
        return {"alpha": torch.tensor(self._now, dtype=torch.float64)}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor | None:
        self._now = float(state["alpha"])
        return None
