"""What every inference engine gets and what it returns.

An engine sees a `Density` on unconstrained real vectors and nothing of Pyro, cases or classes; it returns `Draws`.
`labelppl.model` builds the density, `labelppl.posterior` turns draws into named parameters. Any function that maps a
density and a seed to draws is an engine; those that come with labelppl stand in `engines`, one a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from torch import Tensor

#: Called with (steps done, steps in all) while an engine works.
Progress = Callable[[int, int], None]


class Density(Protocol):
    """An unnormalised log density on R^dim, in float64, with all log-Jacobians included.

    Examples:
        >>> class Normal:
        ...     dim, coordinates, numbers = 1, ("mean",), 1
        ...     def log_prob(self, u):
        ...         return -0.5 * u.square().sum(-1)
        ...     def start(self, n, seed):
        ...         return torch.zeros(n, 1, dtype=torch.float64)
        ...     def prior_draws(self, n, seed):
        ...         own = torch.Generator().manual_seed(seed)
        ...         return 3 * torch.randn(n, 1, generator=own, dtype=torch.float64)
        >>> density: Density = Normal()
        >>> density.log_prob(density.start(2, seed=0)).tolist()
        [-0.0, -0.0]
    """

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """A name for each coordinate, e.g. ``alpha_mean[1]``."""

    @property
    def numbers(self) -> int:
        """How many numbers the evaluation of one point holds, e.g. cases times classes; batches are bounded by it."""

    def log_prob(self, u: Tensor) -> Tensor:
        """Log density at ``u`` (draws, dim) -> (draws,).

        Differentiable by autograd and ``torch.func``.
        """

    def start(self, n: int, seed: int) -> Tensor:
        """``n`` points (n, dim) near the prior's median, so that priors settle label switching."""

    def prior_draws(self, n: int, seed: int) -> Tensor:
        """``n`` single draws (n, dim) from the prior: starts that are spread wider than the posterior."""


class Engine(Protocol):
    """Maps a density and a seed to draws; the same seed gives the same draws.

    ``progress``, if given, is called with (steps done, steps in all). An engine that cannot draw at all raises
    `labelppl.errors.FailedWork`; one whose own checks fail returns its draws with ``problems``.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> def prior_only(density, *, seed, progress=None):
        ...     points = density.prior_draws(100, seed)[None]
        ...     return Draws("prior only", points, problems=("the cases were not looked at",))
        >>> fit(model, cases, engine=prior_only).problems
        ('the cases were not looked at',)
    """

    def __call__(self, density: Density, *, seed: int, progress: Progress | None = None) -> Draws:
        """Draws from the posterior whose density is ``density``."""


class Work(NamedTuple):
    """How much an engine will evaluate: ``calls`` gradients of ``points`` points each."""

    calls: float
    points: int


#: Numbers one operation of a batched evaluation may hold: 32 MiB of float64.
BATCH_NUMBERS = 2**22


def rows_at_once(density: Density, most: int = 1000) -> int:
    """How many points to evaluate in one call, so that memory stays bounded whatever the cases."""
    return max(1, min(most, BATCH_NUMBERS // max(1, density.numbers)))


@dataclass(frozen=True)
class Draws:
    """Draws of the unconstrained parameters.

    Attributes:
        engine: The name of the engine that drew them.
        points: (chains, draws, dim).
        log_weights: (chains, draws), whose exponentials sum to one over all, or None where every draw weighs the same.
        khat: Pareto k of the weights, None without weights.
        diagnostics: What the engine measured, by name.
        problems: Reasons, in words, why these draws must not be trusted; empty when they qualify.

    Examples:
        >>> drawn = Draws("own", torch.zeros(4, 100, 2, dtype=torch.float64), problems=("R-hat 1.2",))
        >>> drawn.ok
        False
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
