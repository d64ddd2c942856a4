"""What the classes share, sampled until the sampler's own gate is passed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...arrays import Array, Floats
from .shared_scale_rows import ClassRows, Sampled
from .shared_scale_sampler import BURN_IN, THIN, SharedScaleSampler

#: The sampler is run again with twice the sweeps, so many times, until its own gate is passed.
DOUBLINGS = 4


def by_gibbs(
    z: Floats, labels: Array, classes: int, kappa: float, rng: np.random.Generator
) -> Sampled:
    """The posterior of what the classes share given rows ``z`` (cases, d) in standard units, NaN where missing."""
    (sampled,) = by_gibbs_each([(z, labels)], classes, kappa, rng)
    return sampled


def by_gibbs_each(
    tables: Sequence[tuple[Floats, Array]], classes: int, kappa: float, rng: np.random.Generator
) -> list[Sampled]:
    """The same of several tables of as many columns, each on its own; without missing numbers all of them in one sweep."""
    rows = [ClassRows.of(z, labels, classes) for z, labels in tables]
    together = not any(each.partial for each in rows)
    groups = [list(range(len(rows)))] if together else [[at] for at in range(len(rows))]
    sampled: dict[int, Sampled] = {}
    for group in groups:
        unsettled, sweeps = group, 1
        while unsettled and sweeps <= 2**DOUBLINGS:
            sampler = SharedScaleSampler([rows[at] for at in unsettled], classes, kappa, rng)
            results = sampler.run(BURN_IN * sweeps, THIN * sweeps)
            sampled |= dict(zip(unsettled, results, strict=True))
            unsettled = [at for at in unsettled if sampled[at].problems]
            sweeps *= 2
    return [sampled[at] for at in range(len(rows))]
