"""Weighted draws from a normal approximation: a defensive proposal, Pareto-smoothed weights, checks.

From a normal N(m, S) the proposal is the mixture, with a the share of the tails,

    q = (1 - a) N(m, S) + a t_4(m, S),    w_s proportional to p(u_s) / q(u_s), Pareto-smoothed.

The normal carries the efficiency, the t bounds the weights in the tails (a defensive mixture:
Hesterberg 1995; PSIS: Vehtari, Simpson, Gelman, Yao & Gabry 2024). The weights belong to the draws
and must be used in every average over them.

Assumption, and what is checked: Pareto k below min(1 - 1/log10(draws), .7) and at least 400
effective draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from .base import Density, Progress, rows_at_once
from .convergence import ESS_MIN, KHAT_MAX, khat_limit, psis, weights_ess

TAIL_SHARE = 0.1
TAIL_DOF = 4


class Weighted(NamedTuple):
    """points (draws, dim) with log_weights (draws,) that sum to one, their Pareto k and the checks."""

    points: Tensor
    log_weights: Tensor
    khat: float
    ess: float
    log_evidence: float
    problems: tuple[str, ...]


def standard_normals(draws: int, dim: int, seed: int) -> Tensor:
    """Standard normal draws (draws, dim), float64, in random order; the same for the same seed.

    They are scrambled Sobol points (Owen 1997): each is standard normal, together they fill the space
    more evenly than independent ones, so that averages over them are several times as accurate. Their
    order is shuffled, since every other point of a Sobol sequence lies in one half of the space.
    """
    generator = torch.Generator().manual_seed(seed)
    if dim > SobolEngine.MAXDIM:
        return torch.randn(draws, dim, generator=generator, dtype=torch.float64)
    uniform = SobolEngine(dim, scramble=True, seed=seed).draw(draws, dtype=torch.float64)
    uniform = uniform[torch.randperm(draws, generator=generator)]
    middle = 0.5**31  # the points are multiples of 2^-30, 0 among them
    return torch.special.ndtri(uniform + middle)


def weigh(
    density: Density,
    mean: Tensor,
    shifts: Tensor,
    log_normal: Callable[[Tensor], Tensor],
    *,
    seed: int,
    progress: Progress | None = None,
    tail_share: float = TAIL_SHARE,
    khat_max: float = KHAT_MAX,
) -> Weighted:
    """Turn draws of a normal into weighted draws of ``density``.

    mean: (dim,). shifts: draws of the normal less its mean, (draws, dim). log_normal: the normal's
    log density at points (draws, dim). progress: called with (draws weighed, draws in all).
    """
    draws, dim = shifts.shape
    tails = round(tail_share * draws)
    generator = torch.Generator().manual_seed(seed)
    normals = torch.randn(tails, TAIL_DOF, generator=generator, dtype=shifts.dtype)
    chi = (normals.square().sum(-1, keepdim=True) / TAIL_DOF).sqrt().to(shifts.device)
    points = mean + torch.cat([shifts[:tails] / chi, shifts[tails:]])
    log_proposal = _log_mixture(
        log_normal(points), log_normal(mean.unsqueeze(0)), dim, tails / draws
    )

    log_density = []
    with torch.no_grad():
        for rows in points.split(rows_at_once(density)):
            log_density.append(density.log_prob(rows))
            if progress is not None:
                progress(sum(map(len, log_density)), draws)
    log_ratios = torch.cat(log_density) - log_proposal
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


def _log_mixture(log_normal: Tensor, log_peak: Tensor, dim: int, share: float) -> Tensor:
    """log of (1 - share) N + share t_4 (draws,), both with the normal's location and scale."""
    radius = 2 * (log_peak - log_normal)
    log_t = (
        log_peak
        + 0.5 * dim * math.log(2 / TAIL_DOF)
        + math.lgamma((TAIL_DOF + dim) / 2)
        - math.lgamma(TAIL_DOF / 2)
        - 0.5 * (TAIL_DOF + dim) * torch.log1p(radius / TAIL_DOF)
    )
    return torch.logaddexp(log_normal + math.log1p(-share), log_t + math.log(share))
