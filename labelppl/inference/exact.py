"""Independent draws from a posterior that is known in closed form.

The family that knows it brings the sampler; nothing is approximated, so that only the sampler's own
honesty is checked: every draw must be finite and have a finite density.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import FailedWork, InputError
from .base import Density, Draws, Progress
from .importance import log_probs

#: (draws, seed) -> unconstrained points (draws, dim).
Sampler = Callable[[int, int], Tensor]


#: Draws by default; numbers held by them and by the file (16 MiB), but never fewer draws than the least.
DRAWS, NUMBERS, LEAST_DRAWS = 4000, 2**21, 4


def exact(
    density: Density,
    *,
    draws: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    sampler: Sampler | None = None,
) -> Draws:
    """Independent draws (1, draws, dim) from ``sampler``, the closed form of the density.

    draws: by default `DRAWS`, fewer where they would hold more than `NUMBERS`.

    Raises InputError where there is no sampler, FailedWork where it returns the wrong shape.
    """
    began = time.perf_counter()
    if draws is None:
        draws = max(LEAST_DRAWS, min(DRAWS, NUMBERS // max(1, density.dim)))
    if sampler is None:
        raise InputError(
            "engine 'exact': this model has no closed-form posterior; use engine 'auto', or a conjugate family"
        )
    points = sampler(draws, seed)
    if points.shape != (draws, density.dim):
        raise FailedWork(
            f"the closed form returned draws of shape {tuple(points.shape)}, expected "
            f"{(draws, density.dim)}"
        )
    some = points[:: max(1, draws // 100)]
    bad = int((~torch.isfinite(log_probs(density, some))).sum())
    problems = (f"the density is not finite at {bad} of {len(some)} exact draws",) if bad else ()
    if progress is not None:
        progress(draws, draws)
    return Draws(
        engine="exact",
        points=points.unsqueeze(0),
        diagnostics={"ess": float(draws), "seconds": time.perf_counter() - began},
        problems=problems,
    )
