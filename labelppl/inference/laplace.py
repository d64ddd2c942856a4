"""Laplace's approximation at the mode, made exact by Pareto-smoothed importance sampling.

Draws come from a mixture of two densities around the mode m with covariance S, the inverse of the
negative Hessian there:

    q = .9 N(m, S) + .1 t_4(m, S),        w_s proportional to p(u_s) / q(u_s), Pareto-smoothed.

The normal carries the efficiency, the t bounds the weights in the tails (a defensive mixture:
Hesterberg 1995; PSIS: Vehtari, Simpson, Gelman, Yao & Gabry 2024). The weights belong to the draws
and must be used in every average over them.

Assumption: one mode, near enough to normal that the weights' Pareto k stays below
min(1 - 1/log10(draws), .7). That, disagreement between starts, starts that reach no mode and fewer
than 400 effective draws are reported as problems.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor

from labelppl.inference.base import Density, Draws, Progress
from labelppl.inference.convergence import ESS_MIN, khat_limit, psis, weights_ess
from labelppl.inference.modes import Modes, find_modes

TAIL_SHARE, TAIL_DOF = 0.1, 4.0
# Squared posterior standard deviations between two ends that count as one mode.
SAME_MODE = 0.1**2
ROWS_AT_ONCE = 1000


def laplace(
    density: Density,
    *,
    draws: int = 4000,
    starts: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Draws:
    """Weighted draws (1, draws, dim) around the mode reached from ``starts`` points.

    progress: called with (draws weighed, draws in all).
    """
    began = time.perf_counter()
    modes = find_modes(density, density.start(starts, seed))
    problems = mode_problems(modes)
    best = best_mode(modes)
    if best is None:
        return _no_mode(density, modes, problems, time.perf_counter() - began)

    points, log_proposal = _propose(modes.points[best], modes.precisions[best], draws, seed)
    log_density = []
    with torch.no_grad():
        for rows in points.split(ROWS_AT_ONCE):
            log_density.append(density.log_prob(rows))
            if progress is not None:
                progress(sum(map(len, log_density)), draws)
    log_ratios = torch.cat(log_density) - log_proposal
    # A draw outside the support weighs nothing; not-a-number is no density at all.
    broken = int((log_ratios.isnan() | log_ratios.isposinf()).sum())
    if broken:
        problems += (f"the density is not a number at {broken} of {draws} draws",)
        log_ratios = torch.where(log_ratios.isnan() | log_ratios.isposinf(), -math.inf, log_ratios)
    ratios = log_ratios.cpu().numpy()
    log_weights, khat = psis(ratios)
    log_weights = log_weights - np.logaddexp.reduce(log_weights)
    ess = weights_ess(log_weights)
    if not khat < khat_limit(draws):
        problems += (
            f"Pareto k of the importance weights is {khat:.2f}, not below {khat_limit(draws):.2f}: "
            "the posterior is too far from normal for this engine",
        )
    if not ess >= ESS_MIN:
        problems += (f"only {ess:.0f} effective draws, less than {ESS_MIN:.0f}",)
    return Draws(
        method="laplace",
        points=points.unsqueeze(0),
        log_weights=torch.from_numpy(log_weights).to(points).unsqueeze(0),
        khat=khat,
        diagnostics={
            "ess": ess,
            "starts": starts,
            "starts_converged": int(modes.converged.sum()),
            "newton_steps": modes.iterations,
            "log_evidence": float(np.logaddexp.reduce(ratios) - math.log(draws)),
            "seconds": time.perf_counter() - began,
        },
        problems=problems,
    )


def best_mode(modes: Modes) -> int | None:
    """The start that reached the highest mode, or None."""
    heights = torch.where(modes.converged, modes.log_probs, -math.inf)
    return int(heights.argmax()) if bool(modes.converged.any()) else None


def mode_problems(modes: Modes) -> tuple[str, ...]:
    """Starts that reached no mode, and starts that reached different ones."""
    problems = []
    lost = int((~modes.converged).sum())
    if lost:
        problems.append(f"{lost} of {len(modes.converged)} starts reached no mode")
    best = best_mode(modes)
    if best is not None:
        apart = modes.points[modes.converged] - modes.points[best]
        far = ((apart @ modes.precisions[best]) * apart).sum(-1) > SAME_MODE
        if bool(far.any()):
            problems.append(
                f"{int(far.sum())} of {len(modes.converged)} starts reached another mode"
            )
    return tuple(problems)


def _no_mode(density: Density, modes: Modes, problems: tuple[str, ...], seconds: float) -> Draws:
    return Draws(
        method="laplace",
        points=modes.points.unsqueeze(0),
        diagnostics={
            "starts": len(modes.converged),
            "starts_converged": 0,
            "newton_steps": modes.iterations,
            "seconds": seconds,
        },
        problems=problems,
    )


def _propose(mode: Tensor, precision: Tensor, draws: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws (draws, dim) of the mixture, its components in fixed proportion, and log q (draws,)."""
    dim = len(mode)
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(draws, dim, generator=generator, dtype=mode.dtype).to(mode.device)
    tails = round(TAIL_SHARE * draws)
    squares = torch.randn(tails, int(TAIL_DOF), generator=generator, dtype=mode.dtype)
    chi = (squares.square().sum(-1) / TAIL_DOF).sqrt().to(mode.device)
    white = torch.cat([normal[:tails] / chi[:, None], normal[tails:]])
    # precision = C C', so that C'^-1 white has covariance S.
    root = torch.linalg.cholesky(precision)
    shift = torch.linalg.solve_triangular(root.mT, white.mT, upper=True).mT
    radius = white.square().sum(-1)
    scale = root.diagonal().log().sum()
    log_normal = -0.5 * radius - 0.5 * dim * math.log(2 * math.pi)
    log_t = (
        math.lgamma((TAIL_DOF + dim) / 2)
        - math.lgamma(TAIL_DOF / 2)
        - 0.5 * dim * math.log(TAIL_DOF * math.pi)
        - 0.5 * (TAIL_DOF + dim) * torch.log1p(radius / TAIL_DOF)
    )
    share = tails / draws
    log_q = torch.logaddexp(log_normal + math.log1p(-share), log_t + math.log(share))
    return mode + shift, log_q + scale
