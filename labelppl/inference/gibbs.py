"""Gibbs sampling and EM of families of votes, whose samplers the families bring; see `crowds.gibbs` and `crowds.map_em`.

``gibbs`` is what ``auto`` chooses for them. ``em`` gives one point, the most probable one: it says nothing about the
raters' uncertainty, and labels from it are too sure; it is there for comparison and for a first look.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ..errors import InputError
from ..model import SiteDraws, SiteSampler
from .base import Density, Draws, Progress

#: Points on R^dim (chains, draws, dim) from the values of the sites.
Unconstrain = Callable[[SiteDraws], Tensor]


def gibbs(
    density: Density,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    sampler: SiteSampler | None = None,
    unconstrain: Unconstrain | None = None,
) -> Draws:
    """Draws by the sampler of the family. Raises InputError where the model brings none."""
    return _draw("gibbs", density, seed, progress, sampler, unconstrain)


def em(
    density: Density,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    sampler: SiteSampler | None = None,
    unconstrain: Unconstrain | None = None,
) -> Draws:
    """One draw, the most probable parameters. Raises InputError where the model brings no EM."""
    return _draw("em", density, seed, progress, sampler, unconstrain)


def _draw(
    engine: Literal["gibbs", "em"],
    density: Density,
    seed: int,
    progress: Progress | None,
    sampler: SiteSampler | None,
    unconstrain: Unconstrain | None,
) -> Draws:
    began = time.perf_counter()
    if sampler is None or unconstrain is None:
        has = "dawid_skene or nested_dawid_skene" if engine == "gibbs" else "dawid_skene"
        raise InputError(
            f"engine '{engine}': this model has no sampler of its own; use engine 'auto', or the family {has} with "
            "votes alone"
        )
    drawn = sampler(seed, progress)
    points = unconstrain(drawn)
    problems = drawn.problems
    with torch.no_grad():
        few = points.flatten(0, 1)[:: max(1, points.shape[0] * points.shape[1] // 4)][:4]
        if not bool(torch.isfinite(density.log_prob(few)).all()):
            problems = (*problems, "the density is not finite at some draws")
    seconds = time.perf_counter() - began
    return Draws(
        engine, points, diagnostics={**drawn.diagnostics, "seconds": seconds}, problems=problems
    )
