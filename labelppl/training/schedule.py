"""How long, how fast and with which optimiser to train: one record for either step.

Papers' schedules in these words: SGD with Nesterov momentum at .1 on a cosine with weight decay 5e-4 is
``Schedule(optimiser="sgd", lr=0.1, weight_decay=5e-4)``; warm restarts are ``decay="restarts"`` (Loshchilov and Hutter
2017, arXiv 1608.03983). Step 2 never has weight decay: its prior around theta_p is the only one (`for_map`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ..errors import InputError

OPTIMISERS = ("adam", "adamw", "sgd")
DECAYS = ("cosine", "restarts", "step", "constant")


@dataclass(frozen=True)
class Schedule:
    """The schedule of one step of training.

    Args:
        epochs: Passes over the training cases.
        batch_size: Cases per update, over all processes.
        lr: The peak learning rate.
        optimiser: `adam`, `adamw` (decoupled weight decay), or `sgd` with Nesterov momentum.
        momentum: Of `sgd`.
        weight_decay: Of step 1 and of methods with one step; step 2 has none.
        decay: How the rate falls after the warm-up: `cosine` to `floor`; `restarts`, a cosine that starts again after
            `cycle` epochs, each cycle `cycle_factor` times as long as the one before; `step`, times `drop` every
            `cycle` epochs; `constant`.
        warmup: The share of the updates over which the rate rises linearly.
        floor: The lowest rate of a cosine, as a share of `lr`.
        cycle: Epochs of the first cycle (`restarts`) or between two drops (`step`).
        cycle_factor: How much longer each cycle of `restarts` is than the one before.
        drop: The factor of `step`.
        clip: The largest norm of the gradient; None does not clip.
        accumulate: In how many parts a batch is computed, where a whole one does not fit in memory.
        ema: Decay of the moving average of the weights that is validated and kept; None keeps the weights themselves.
        precision: `32`, `bf16` (autocast), or `auto`, bf16 where the hardware computes in it.
        patience: Epochs without a better validation NLL before stopping; no effect without validation cases.
        compile: Whether the network goes through torch.compile.

    Raises:
        InputError: A value is out of its range.

    Examples:
        >>> from labelppl.training.schedule import Schedule
        >>> paper = Schedule(epochs=60, batch_size=128, lr=0.1, optimiser="sgd", weight_decay=5e-4)
        >>> paper.for_map().weight_decay
        0.0
    """

    epochs: int = 20
    batch_size: int = 16
    lr: float = 1e-3
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    decay: Literal["cosine", "restarts", "step", "constant"] = "cosine"
    warmup: float = 0.05
    floor: float = 0.01
    cycle: int = 10
    cycle_factor: int = 2
    drop: float = 0.1
    clip: float | None = None
    accumulate: int = 1
    ema: float | None = None
    precision: Literal["auto", "32", "bf16"] = "auto"
    patience: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        for name, ok, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("lr", 0 < self.lr < math.inf, "a positive number"),
            ("optimiser", self.optimiser in OPTIMISERS, " or ".join(OPTIMISERS)),
            ("momentum", 0 <= self.momentum < 1, "0 <= momentum < 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or a positive number"),
            ("decay", self.decay in DECAYS, " or ".join(DECAYS)),
            ("warmup", 0 <= self.warmup < 1, "0 <= warmup < 1"),
            ("floor", 0 <= self.floor <= 1, "0 <= floor <= 1"),
            ("cycle", self.cycle >= 1, "at least 1"),
            ("cycle_factor", self.cycle_factor >= 1, "at least 1"),
            ("drop", 0 < self.drop <= 1, "0 < drop <= 1"),
            ("clip", self.clip is None or self.clip > 0, "a positive number, or None"),
            ("accumulate", self.accumulate >= 1, "at least 1"),
            ("ema", self.ema is None or 0 <= self.ema < 1, "0 <= ema < 1, or None"),
            ("precision", self.precision in ("auto", "32", "bf16"), "auto, 32 or bf16"),
            ("patience", self.patience is None or self.patience >= 1, "at least 1, or None"),
        ):
            if not ok:
                raise InputError(
                    f"schedule: {name}: got {getattr(self, name)!r}, expected {expected}"
                )

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of update `step` (from 0) of `steps`."""
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return self.lr * (step + 1) / rise
        if self.decay == "constant":
            return self.lr
        if self.decay == "step":
            return self.lr * self.drop ** (step * self.epochs // (steps * self.cycle))
        if self.decay == "cosine":
            return self._cosine((step - rise) / max(1, steps - rise))
        start, length = 0.0, self.cycle * steps / self.epochs
        while step >= start + length:
            start, length = start + length, length * self.cycle_factor
        return self._cosine((step - start) / length)

    def _cosine(self, done: float) -> float:
        return self.lr * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2)

    def for_map(self) -> Schedule:
        """The default schedule of step 2 after this step 1: the same, without weight decay.

        A shorter one could not leave a misleading theta_p as far as the hard labels alone would go.
        """
        return replace(self, weight_decay=0.0)

    def record(self) -> dict[str, Any]:
        """All fields, as student.json and run.json show them."""
        return asdict(self)


def default_schedule(cases: int) -> Schedule:
    """About 560 updates for a few hundred cases, and 10 epochs at least for many thousands."""
    batch = 16 if cases < 2000 else 64
    updates = math.ceil(max(1, cases) / batch)
    return Schedule(epochs=min(80, max(10, round(560 / updates))), batch_size=batch)
