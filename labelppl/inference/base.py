"""What every inference engine is given and what it returns.

An engine sees a `Density` on unconstrained real vectors and nothing of Pyro, cases or classes; it
returns `Draws`. `labelppl.model` builds the density, `labelppl.posterior` turns draws into named
parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

# Called with (steps done, steps in all) while an engine works.
Progress = Callable[[int, int], None]


class Density(Protocol):
    """An unnormalised log density on R^dim, in float64, with all log-Jacobians included."""

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """A name for each coordinate, e.g. ``alpha_mean[1]``."""

    def log_prob(self, u: Tensor) -> Tensor:
        """Log density at ``u`` (draws, dim) -> (draws,).

        Differentiable by autograd and ``torch.func``.
        """

    def start(self, n: int, seed: int) -> Tensor:
        """``n`` points (n, dim) near the prior's median, so that priors settle label switching."""


#: Numbers one operation of a batched evaluation may hold: 32 MiB of float64.
BATCH_NUMBERS = 2**22


def rows_at_once(density: Density, most: int = 1000) -> int:
    """How many points to evaluate in one call, so that memory stays bounded whatever the cases.

    A density may tell by an attribute ``numbers`` how many numbers one point's evaluation holds,
    e.g. cases times classes.
    """
    numbers: int = getattr(density, "numbers", 1)
    return max(1, min(most, BATCH_NUMBERS // max(1, numbers)))


@dataclass(frozen=True)
class Draws:
    """Draws of the unconstrained parameters.

    points: (chains, draws, dim). log_weights: (chains, draws), normalised to sum to one over all,
    or None where every draw weighs the same. khat: Pareto k of the weights, None without weights.
    problems: reasons, in words, why these draws must not be trusted; empty when they qualify.
    """

    engine: str
    points: Tensor
    log_weights: Tensor | None = None
    khat: float | None = None
    diagnostics: dict[str, float | int | str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check of the engine was passed."""
        return not self.problems
