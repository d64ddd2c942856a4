"""How long and how fast to train: one record for either step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError

WARMUP = 0.05
LR_FLOOR = 0.01


@dataclass(frozen=True)
class Schedule:
    """epochs: passes over the training cases. batch_size: cases per update, over all processes.

    lr: the peak learning rate; it rises linearly over the first twentieth of the updates and falls
    on a cosine to a hundredth (decay="constant" keeps it after the rise). optimiser: `adam`, or
    `sgd` with Nesterov momentum. Neither has weight decay: step 2 must hold one prior only, and
    step 1 is plain maximum likelihood. precision: `32`, `bf16` (autocast), or `auto`, bf16 where
    the hardware computes in it. patience: epochs without a better validation NLL before stopping;
    without validation cases it has no effect. compile: torch.compile the network.
    """

    epochs: int = 20
    batch_size: int = 16
    lr: float = 1e-3
    optimiser: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.9
    decay: Literal["cosine", "constant"] = "cosine"
    precision: Literal["auto", "32", "bf16"] = "auto"
    patience: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        for name, ok, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("lr", 0 < self.lr < math.inf, "a positive number"),
            ("optimiser", self.optimiser in ("adam", "sgd"), "adam or sgd"),
            ("momentum", 0 <= self.momentum < 1, "0 <= momentum < 1"),
            ("decay", self.decay in ("cosine", "constant"), "cosine or constant"),
            ("precision", self.precision in ("auto", "32", "bf16"), "auto, 32 or bf16"),
            ("patience", self.patience is None or self.patience >= 1, "at least 1, or None"),
        ):
            if not ok:
                raise InputError(
                    f"schedule: {name}: got {getattr(self, name)!r}, expected {expected}"
                )

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of update `step` (from 0) of `steps`."""
        rise = max(1, round(WARMUP * steps))
        if step < rise:
            return self.lr * (step + 1) / rise
        if self.decay == "constant":
            return self.lr
        done = (step - rise) / max(1, steps - rise)
        return self.lr * (LR_FLOOR + (1 - LR_FLOOR) * (1 + math.cos(math.pi * done)) / 2)

    def for_map(self) -> Schedule:
        """The default schedule of step 2 after this step 1: the same.

        A shorter one could not leave a misleading theta_p as far as the hard labels alone would go.
        """
        return self


def default_schedule(cases: int) -> Schedule:
    """About 560 updates for a few hundred cases, and 10 epochs at least for many thousands."""
    batch = 16 if cases < 2000 else 64
    updates = math.ceil(max(1, cases) / batch)
    return Schedule(epochs=min(80, max(10, round(560 / updates))), batch_size=batch)
