"""Pareto-smoothed importance weights and their checks.

    w_s proportional to p(u_s) / q(u_s), Pareto-smoothed (PSIS: Vehtari, Simpson, Gelman, Yao & Gabry 2024).

The weights belong to the draws and must be used in every average over them. Checked: Pareto k below
min(1 - 1/log10(draws), .7) and at least 400 effective draws.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .base import Density, Progress, rows_at_once
from .convergence import ESS_MIN, KHAT_MAX, khat_limit, psis, weights_ess


class Weighted(NamedTuple):
    """points (draws, dim) with log_weights (draws,) that sum to one, their Pareto k and the checks."""

    points: Tensor
    log_weights: Tensor
    khat: float
    ess: float
    log_evidence: float
    problems: tuple[str, ...]


def log_probs(density: Density, points: Tensor, progress: Progress | None = None) -> Tensor:
    """Log density (draws,) at points (draws, dim), block by block; progress: (draws evaluated, draws in all)."""
    values = []
    done = 0
    with torch.no_grad():
        for rows in points.split(rows_at_once(density)):
            values.append(density.log_prob(rows))
            done += len(rows)
            if progress is not None:
                progress(done, len(points))
    return torch.cat(values)


def weigh(points: Tensor, log_ratios: Tensor, *, khat_max: float = KHAT_MAX) -> Weighted:
    """Weighted draws from points (draws, dim) and their log p/q (draws,)."""
    draws = len(points)
    problems: tuple[str, ...] = ()
    # A draw outside the support weighs nothing; not-a-number is no density at all.
    broken = log_ratios.isnan() | log_ratios.isposinf()
    if bool(broken.any()):
        problems += (f"the density is not a number at {int(broken.sum())} of {draws} draws",)
        log_ratios = torch.where(broken, -math.inf, log_ratios)
    ratios = log_ratios.cpu().numpy()
    log_weights, khat = psis(ratios)
    log_weights = log_weights - np.logaddexp.reduce(log_weights)
    ess = weights_ess(log_weights)
    limit = min(khat_limit(draws), khat_max)
    if not khat < limit:
        problems += (
            f"Pareto k of the importance weights is {khat:.2f}, not below {limit:.2f}: "
            "the posterior is too far from normal for this engine",
        )
    if not ess >= ESS_MIN:
        problems += (f"only {ess:.0f} effective draws, less than {ESS_MIN:.0f}",)
    return Weighted(
        points=points,
        log_weights=torch.from_numpy(log_weights).to(points),
        khat=khat,
        ess=ess,
        log_evidence=float(np.logaddexp.reduce(ratios) - math.log(draws)),
        problems=problems,
    )
