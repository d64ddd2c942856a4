"""Variational inference with a normal of low rank, checked and corrected by importance sampling.

The guide N(m, diag(d)^2 + F F') climbs the evidence lower bound E_q[log p(u) - log q(u)] by Adam on
reparameterised draws, without the score term of log q, whose mean is zero and whose noise is not
(Roeder, Wu & Duvenaud 2017). Reverse KL makes a guide too narrow, and labels overconfident: the
draws are therefore weighted as in `importance`, and refused when the weights cannot mend it.

Assumption: a posterior close to normal, for models whose parameters grow with the cases.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from labelppl.inference.base import Density, Draws, Progress
from labelppl.inference.importance import weigh

RANK = 10
PARTICLES = 16
RATE = 0.05
FIRST_SCALE = 0.1
# The bound's mean over the last tenth of the steps may exceed that over the tenth before by this.
STILL_CLIMBING = 0.5


def svi(
    density: Density,
    *,
    draws: int = 4000,
    steps: int = 3000,
    rank: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Draws:
    """Weighted draws (1, draws, dim) from a fitted guide.

    rank: columns of F, 0 for mean-field; by default 10, or dim if that is less. steps: of Adam, its
    rate falling to nothing along a cosine. progress: called with (steps done, steps in all).
    """
    began = time.perf_counter()
    columns = min(RANK, density.dim) if rank is None else min(rank, density.dim)
    generator = torch.Generator().manual_seed(seed)
    start = density.start(1, seed)[0].detach()
    mean = start.clone().requires_grad_()
    log_scale = torch.full_like(start, math.log(FIRST_SCALE)).requires_grad_()
    # Not zero: F = 0 is a saddle, where its gradient vanishes.
    factor = (
        0.1
        * FIRST_SCALE
        * torch.randn(density.dim, columns, generator=generator, dtype=start.dtype).to(start.device)
    )
    factor.requires_grad_()
    optimiser = torch.optim.Adam([mean, log_scale, factor], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    bounds = torch.empty(steps, dtype=start.dtype, device=start.device)
    for step in range(steps):
        points = mean + _shifts(log_scale, factor, PARTICLES, generator)
        guide = _guide(mean.detach(), log_scale.detach(), factor.detach())
        bound = (density.log_prob(points) - guide.log_prob(points)).mean()
        optimiser.zero_grad()
        (-bound).backward()
        for part in (mean, log_scale, factor):  # one draw in a bad corner must not end the fit
            if part.grad is not None:
                part.grad.nan_to_num_(0.0, 0.0, 0.0)
        optimiser.step()
        schedule.step()
        bounds[step] = bound.detach()
        if progress is not None:
            progress(step + 1, steps)

    with torch.no_grad():
        guide = _guide(mean, log_scale, factor)
        found = weigh(
            density,
            mean.detach(),
            _shifts(log_scale, factor, draws, generator),
            guide.log_prob,
            seed=seed + 1,
        )
    tenth = max(1, steps // 10)
    late, before = float(bounds[-tenth:].mean()), float(bounds[-2 * tenth : -tenth].mean())
    problems = found.problems
    if not late - before < STILL_CLIMBING:
        problems = (
            f"the evidence bound still rose by {late - before:.1f} in the last tenth of the "
            f"{steps} steps",
            *problems,
        )
    return Draws(
        method="svi",
        points=found.points.unsqueeze(0),
        log_weights=found.log_weights.unsqueeze(0),
        khat=found.khat,
        diagnostics={
            "ess": found.ess,
            "bound": late,
            "log_evidence": found.log_evidence,
            "steps": steps,
            "rank": columns,
            "seconds": time.perf_counter() - began,
        },
        problems=problems,
    )


def _shifts(log_scale: Tensor, factor: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draws (n, dim) of N(0, diag(d)^2 + F F')."""
    dim, rank = factor.shape
    noise = torch.randn(n, dim + rank, generator=generator, dtype=factor.dtype).to(factor.device)
    return noise[:, :dim] * log_scale.exp() + noise[:, dim:] @ factor.mT


def _guide(mean: Tensor, log_scale: Tensor, factor: Tensor) -> torch.distributions.Distribution:
    if factor.shape[1] == 0:
        normal = torch.distributions.Normal(mean, log_scale.exp(), validate_args=False)
        return torch.distributions.Independent(normal, 1, validate_args=False)
    return torch.distributions.LowRankMultivariateNormal(
        mean, factor, (2 * log_scale).exp(), validate_args=False
    )
