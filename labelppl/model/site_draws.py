"""`SiteDraws`: what a family's own sampler returns, by site, before an engine makes `Draws` of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class SiteDraws:
    """Draws of a label model's parameters by site, as a family's own sampler returns them.

    Attributes:
        values: Of every parameter by site name, each (chains, draws, ...).
        diagnostics: What the sampler measured, by name.
        problems: Why the draws must not be trusted, in words; empty where they qualify.

    Examples:
        >>> drawn = SiteDraws({"prevalence": torch.full((4, 100, 2), 0.5)}, {"rhat": 1.0})
        >>> drawn.values["prevalence"].shape, drawn.problems
        (torch.Size([4, 100, 2]), ())
    """

    values: Mapping[str, Tensor]
    diagnostics: Mapping[str, float | int | str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class SiteSampler(Protocol):
    """A sampler that a family brings for its own posterior; `LabelModel.samplers` returns them.

    Called with a seed, and with a function that is told (steps done, steps in all), it returns `SiteDraws`.

    Examples:
        >>> def sampler(seed, progress=None):
        ...     generator = torch.Generator().manual_seed(seed)
        ...     return SiteDraws({"mean": torch.randn(1, 100, generator=generator)})
        >>> sampler(0).values["mean"].shape
        torch.Size([1, 100])
    """

    def __call__(
        self, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> SiteDraws: ...
