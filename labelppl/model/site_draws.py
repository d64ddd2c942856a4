"""`SiteDraws`: what a family's own sampler returns, by site, before an engine makes `Draws` of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class SiteDraws:
    """values: of every parameter by site name, each (chains, draws, ...). diagnostics and problems: as `Draws` has them."""

    values: Mapping[str, Tensor]
    diagnostics: Mapping[str, float | int | str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class SiteSampler(Protocol):
    """A sampler that a family brings for its own posterior."""

    def __call__(
        self, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> SiteDraws: ...
