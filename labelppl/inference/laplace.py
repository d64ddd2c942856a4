"""Laplace's approximation at the mode, made exact by Pareto-smoothed importance sampling.

The normal N(m, S), with m the mode and S the inverse of the negative Hessian there, gives the
proposal of `importance`; the posterior is then represented by weighted draws.

Assumption: one mode, near enough to normal. Disagreement between starts, starts that reach no mode, a
Pareto k that is too large and fewer than 400 effective draws are reported as problems.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from .base import Density, Draws, Progress
from .convergence import ESS_MIN, KHAT_MAX
from .importance import Weighted, standard_normals, weigh
from .modes import Modes, find_modes

# Squared posterior standard deviations between two ends that count as one mode.
SAME_MODE = 0.1**2
# Times as many draws where the effective ones are too few and nothing else is wrong.
MORE = 4


def laplace(
    density: Density,
    *,
    draws: int = 4096,
    starts: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Draws:
    """Weighted draws (1, draws, dim) around the mode reached from ``starts`` points; four times ``draws`` if needed.

    progress: called with (draws weighed, draws in all).
    """
    began = time.perf_counter()
    modes = find_modes(density, density.start(starts, seed))
    problems = _mode_problems(modes)
    diagnostics: dict[str, float | int | str] = {
        "starts": starts,
        "starts_converged": int(modes.converged.sum()),
        "newton_steps": modes.iterations,
    }
    best = modes.best()
    if best is None:
        diagnostics["seconds"] = time.perf_counter() - began
        return Draws("laplace", modes.points.unsqueeze(0), None, None, diagnostics, problems)

    mode, precision = modes.points[best], modes.precisions[best]
    root = torch.linalg.cholesky(precision)  # precision = root root'

    def weighed(n: int) -> Weighted:
        white = standard_normals(n, density.dim, seed).to(mode)
        shifts = torch.linalg.solve_triangular(root.mT, white.mT, upper=True).mT
        return weigh(
            density,
            mode,
            shifts,
            lambda u: _log_normal(u - mode, root),
            seed=seed + 1,
            progress=progress,
        )

    found = weighed(draws)
    if found.khat < KHAT_MAX and found.ess < ESS_MIN:  # the weights are sound: only too few of them
        found = weighed(MORE * draws)
    diagnostics |= {
        "ess": found.ess,
        "log_evidence": found.log_evidence,
        "seconds": time.perf_counter() - began,
    }
    return Draws(
        engine="laplace",
        points=found.points.unsqueeze(0),
        log_weights=found.log_weights.unsqueeze(0),
        khat=found.khat,
        diagnostics=diagnostics,
        problems=problems + found.problems,
    )


def _log_normal(shift: Tensor, root: Tensor) -> Tensor:
    """Log density of N(0, (root root')^-1) at shift (draws, dim)."""
    constant = root.diagonal().log().sum() - 0.5 * len(root) * math.log(2 * math.pi)
    return constant - 0.5 * (shift @ root).square().sum(-1)


def _mode_problems(modes: Modes) -> tuple[str, ...]:
    """Starts that reached no mode, and starts that reached different ones."""
    total = len(modes.converged)
    problems = []
    lost = int((~modes.converged).sum())
    if lost:
        problems.append(f"{lost} of {total} starts reached no mode")
    best = modes.best()
    if best is not None:
        apart = modes.points[modes.converged] - modes.points[best]
        far = int((((apart @ modes.precisions[best]) * apart).sum(-1) > SAME_MODE).sum())
        if far:
            problems.append(f"{far} of {total} starts reached another mode")
    return tuple(problems)
