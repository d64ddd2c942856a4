"""Laplace's approximation at every mode, made exact by Pareto-smoothed importance sampling.

The modes are sought from points near the prior's median and from single draws of the prior, which are spread wider than
the posterior: the Pareto k cannot see a mode that no draw reached. The proposal is one normal N(m, S) with heavy tails
(`proposal`) for each mode m, S the inverse of the negative Hessian there, with shares in proportion to the mode's mass

    p(m) |S|^(1/2).

Where the weights fail their checks but are not hopeless, the proposal is moved and stretched to its own weighted draws,
up to twice, and all draws are kept, weighted by the mixture of all proposals:

    w_s proportional to p(u_s) / mean_r q_r(u_s)

(adaptive multiple importance sampling: Cornuet, Marin, Mira & Robert 2012).

Assumption: modes near enough to normal. Starts near the median that reach no mode, a Pareto k that stays too large and
fewer than 400 effective draws are reported as problems.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from ..seeds import stream
from .base import Density, Draws, Progress, Work
from .importance import Weighted, log_probs, weigh
from .modes import LENGTHS, REACHES, Modes, distinct, find_modes
from .proposal import Mixture, shares_of

#: Starts near the prior's median, and single draws of the prior beside them. Of .7 N(1.5, .2) + .3 N(-1.5, .2) eight
#: draws of a wide prior reached both modes with every seed tried, four with .83 to .93 of them.
STARTS, SCATTERED = 4, 12
#: Further rounds at most, and the Pareto k above which moving the proposal is not tried.
ROUNDS, HOPELESS = 2, 1.2
#: Newton steps that a start usually takes; for the estimate of the work.
USUAL_STEPS = 12


def laplace(
    density: Density,
    *,
    draws: int = 4096,
    starts: int = STARTS,
    scattered: int = SCATTERED,
    seed: int = 0,
    progress: Progress | None = None,
) -> Draws:
    """Weighted draws (1, draws, dim) around the modes; up to three times ``draws`` where that is needed.

    starts: points near the prior's median. scattered: draws from the prior that are starts, too. progress: called with
    (draws weighed, draws in all) in every round.
    """
    began = time.perf_counter()
    modes = find_modes(density, density.start(starts, seed))
    problems: tuple[str, ...] = ()
    lost = int((~modes.converged).sum())
    if lost:
        problems = (f"{lost} of {starts} starts reached no mode",)
    if scattered:
        modes = modes.join(find_modes(density, density.prior_draws(scattered, seed)))
    peaks = distinct(modes)
    diagnostics: dict[str, float | int | str] = {
        "starts": len(modes.converged),
        "starts_converged": int(modes.converged.sum()),
        "newton_steps": modes.iterations,
        "modes": len(peaks),
    }
    if not peaks:
        diagnostics["seconds"] = time.perf_counter() - began
        return Draws("laplace", modes.points.unsqueeze(0), None, None, diagnostics, problems)

    weighted, rounds = _rounds(density, _proposal(modes, peaks), draws, seed, progress)
    diagnostics |= {
        "rounds": rounds,
        "ess": weighted.ess,
        "log_evidence": weighted.log_evidence,
        "seconds": time.perf_counter() - began,
    }
    return Draws(
        engine="laplace",
        points=weighted.points.unsqueeze(0),
        log_weights=weighted.log_weights.unsqueeze(0),
        khat=weighted.khat,
        diagnostics=diagnostics,
        problems=problems + weighted.problems,
    )


def laplace_work(density: Density) -> Work:
    """Every Newton step costs a gradient for each column of the Hessian, and the trial points of its line."""
    rows = STARTS + SCATTERED
    trials = 0.5 * (len(LENGTHS) + len(REACHES))
    return Work(USUAL_STEPS * (2 * density.dim + trials) + 0.5 * 4096 / rows, rows)


def _proposal(modes: Modes, peaks: list[int]) -> Mixture:
    """One component for each mode, its share in proportion to the mode's mass."""
    roots = []
    for at in peaks:
        lower = torch.linalg.cholesky(modes.precisions[at])  # precision = lower lower'
        eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        roots.append(torch.linalg.solve_triangular(lower.mT, eye, upper=True))
    stacked = torch.stack(roots)
    log_masses = modes.log_probs[peaks] + stacked.diagonal(dim1=1, dim2=2).abs().log().sum(-1)
    return Mixture(modes.points[peaks], stacked, shares_of(torch.softmax(log_masses, 0)))


def _rounds(
    density: Density, proposal: Mixture, draws: int, seed: int, progress: Progress | None
) -> tuple[Weighted, int]:
    """Weighted draws of all rounds, and how many rounds it took."""
    proposals: list[Mixture] = []
    points, values = proposal.means.new_zeros(0, density.dim), proposal.means.new_zeros(0)
    weighted: Weighted | None = None
    while weighted is None or _worth_another(weighted, len(proposals)):
        if weighted is not None:
            proposal = proposal.adapt(weighted.points, weighted.log_weights)
        proposals.append(proposal)
        new = proposal.sample(draws, stream(seed, "laplace", len(proposals)))
        points = torch.cat([points, new])
        values = torch.cat([values, log_probs(density, new, progress)])
        weighted = weigh(points, values - _log_density(proposals, points))
    return weighted, len(proposals)


def _worth_another(weighted: Weighted, rounds: int) -> bool:
    return bool(weighted.problems) and rounds <= ROUNDS and weighted.khat < HOPELESS


def _log_density(proposals: list[Mixture], points: Tensor) -> Tensor:
    """Log density (draws,) of the equal mixture of all proposals."""
    each = [torch.logsumexp(q.log_parts(points), -1) for q in proposals]
    return torch.logsumexp(torch.stack(each), 0) - math.log(len(each))
