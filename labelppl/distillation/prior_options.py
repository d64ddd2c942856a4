"""The weight prior of step 2: its strength, how that is chosen, and which weights it holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import InputError
from ..records import describe

GRID = (math.inf, 1e4, 1e3, 1e2, 10.0, 1.0, 0.1, 0.0)
LAM_FOLDS = 3
CHOSEN = ("auto", "evidence")
"""Words for lambda that leave its choice to the job."""
SPACES = ("weights", "predictions")
FEWEST_FOLDS = 2


@dataclass(frozen=True)
class PriorOptions:
    """N(theta_p, I/(2 lambda)) over the student's weights.

    Args:
        lam: lambda; 0 is no prior, inf stays at theta_p (no step 2), `auto` chooses by held-out NLL over `grid`,
            `evidence` by a bound of the evidence, without folds.
        space: Whether the prior holds the `weights`, or the `predictions` by beta KL(q_theta_p || q_theta) at the training
            images; `lam` is then beta.
        grid: The candidates of `auto`.
        folds: Folds of the grouped cross-validation behind `auto`.
        layers: Patterns of parameter names that the prior holds; empty: all.
        free: Patterns that it leaves free.
        fisher: Whether each weight counts by its diagonal Fisher information at theta_p on the hard labels.
        freeze_norm: Whether normalisation keeps the running statistics of theta_p in step 2.
        tolerance: Step 2 goes on by L-BFGS on the whole training set until its objective, summed over the cases, is at
            most so many nats above its optimum. None does so for the linear student (`logistic`) alone, up to .01.

    Raises:
        InputError: A value is out of its range.

    Examples:
        >>> from labelppl.distillation.prior_options import PriorOptions
        >>> PriorOptions(lam=1.0, layers=("head.*",)).record()["layers"]
        ['head.*']
    """

    lam: float | Literal["auto", "evidence"] = "auto"
    space: Literal["weights", "predictions"] = "weights"
    grid: tuple[float, ...] = GRID
    folds: int = LAM_FOLDS
    layers: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    fisher: bool = False
    freeze_norm: bool = True
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.lam not in CHOSEN and not (isinstance(self.lam, float | int) and self.lam >= 0):
            raise InputError(
                f"lambda: got {self.lam!r}, expected auto, evidence, 0, a positive number or inf"
            )
        if self.lam == "evidence" and self.fisher:
            raise InputError(
                "lambda: evidence: got Fisher weights, expected none; choose lam='auto'"
            )
        if self.space not in SPACES:
            raise InputError(f"space: got {self.space!r}, expected {' or '.join(SPACES)}")
        if self.space == "predictions":
            self._refuse_weights()
        if self.folds < FEWEST_FOLDS:
            raise InputError(f"folds: got {self.folds}, expected at least {FEWEST_FOLDS}")
        if self.tolerance is not None and not self.tolerance > 0:
            raise InputError(f"tolerance: got {self.tolerance}, expected a number of nats > 0")
        descending(self.grid)

    def in_space(self, space: Literal["weights", "predictions"]) -> PriorOptions:
        """The same strength, candidates and folds for a prior on something else."""
        if space == self.space:
            return self
        lam = "auto" if self.lam == "evidence" else self.lam
        return PriorOptions(lam, space, self.grid, self.folds, freeze_norm=self.freeze_norm)

    def _refuse_weights(self) -> None:
        """Raise InputError for an option that only a prior on weights has."""
        of_weights = {
            "lam=evidence": self.lam == "evidence",
            "layers": bool(self.layers),
            "free": bool(self.free),
            "fisher": self.fisher,
            "tolerance": self.tolerance is not None,
        }
        for option, used in of_weights.items():
            if used:
                raise InputError(
                    f"{option}: belongs to a prior on weights; leave it out beside space=predictions"
                )

    def record(self) -> dict[str, Any]:
        """All fields."""
        record: dict[str, Any] = describe(asdict(self))
        return record


def descending(grid: Sequence[float]) -> tuple[float, ...]:
    """The candidates from large to small, each once. Raises InputError for a negative one."""
    if not grid or any(not lam >= 0 for lam in grid):
        raise InputError(f"lambda: got the grid {list(grid)}, expected numbers >= 0")
    return tuple(sorted({float(lam) for lam in grid}, reverse=True))
