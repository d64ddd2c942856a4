"""Hundreds of chains in one batch: Hamiltonian Monte Carlo, tuned across the chains by ChEES.

Every chain takes the same ceil(h T / step) leapfrogs, h from a Halton sequence, so that the batch
costs one call of the gradient per leapfrog (`hmc`); T and the step are learned in `chees`. The metric
starts from the Hessian at the modes and is estimated twice from the warm-up's draws. Everything is
frozen before the first draw that is kept.

Chains come in superchains that share an overdispersed start, so that even short chains are checked:
by the nested R-hat (Margossian et al. 2024). Assumption: differentiable; no discrete sites.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from ..errors import FailedWork, InputError
from ..seeds import stream
from .base import Density, Draws, Progress, Work
from .chees import MAX_LEAPFROGS, Chees, halton
from .convergence import convergence, convergence_problems, nested_rhat
from .hmc import State, from_white, state_at, transition
from .modes import distinct, find_modes

SUPERCHAINS = 16
STARTS = 4
DENSE_UP_TO = 100
MODE_UP_TO = 200
OVERDISPERSED = 2.0
#: Mass of a mode, in units of that of the heaviest, above which superchains start there.
WORTH_A_START = 0.01
#: Leapfrogs of a transition as ChEES usually tunes them; for the estimate of the work.
CHAINS_LEAPFROGS = 8


def chains(
    density: Density,
    *,
    draws: int = 64,
    warmup: int = 200,
    chains: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
    dense: bool | None = None,
) -> Draws:
    """Draw (chains, draws, dim), unweighted.

    chains: a multiple of 16, at least 32. dense: whole metric rather than its diagonal; by default
    up to 100 coordinates. progress: called with (transitions done, transitions in all).
    Raises InputError for another number of chains, FailedWork where the density is zero or not a
    number at every start.
    """
    if chains % SUPERCHAINS or chains < 2 * SUPERCHAINS:
        raise InputError(
            f"chains: got {chains}, expected a multiple of {SUPERCHAINS}, at least "
            f"{2 * SUPERCHAINS}; try {max(2, round(chains / SUPERCHAINS)) * SUPERCHAINS}"
        )
    began = time.perf_counter()
    whole = density.dim <= DENSE_UP_TO if dense is None else dense
    state, root = _begin(density, chains, seed, whole)
    generator = stream(seed, "chains", "momenta").torch(state.points.device)
    tuning = Chees(_first_step(density, state, root, generator), length=1.0)

    # The metric is learned from the second half of each of the first two thirds of the warm-up.
    ends = (warmup // 3, 2 * warmup // 3)
    recent: list[Tensor] = []
    for i in range(warmup):
        jitter = halton(i)
        step = tuning.step
        done = transition(
            density,
            state,
            root,
            step=step,
            leapfrogs=_leapfrogs(jitter * tuning.length, step),
            generator=generator,
        )
        tuning.update(state, done, root, jitter)
        state = done.state
        recent.append(state.points)
        if i + 1 in ends:
            root = _learn_root(torch.stack(recent[len(recent) // 2 :]), whole)
            recent = []
            tuning.restart(tuning.averages()[0])
        if progress is not None:
            progress(i + 1, warmup + draws)

    step, length = tuning.averages()
    kept = torch.empty(
        draws, chains, density.dim, dtype=state.points.dtype, device=state.points.device
    )
    accepts, divergent, leapfrogs = [], [], 0
    for i in range(draws):
        count = _leapfrogs(halton(warmup + i) * length, step)
        done = transition(density, state, root, step=step, leapfrogs=count, generator=generator)
        state = done.state
        kept[i] = state.points
        accepts.append(done.accept.mean())
        divergent.append(done.divergent.sum())
        leapfrogs += count
        if progress is not None:
            progress(warmup + i + 1, warmup + draws)

    points = kept.transpose(0, 1)
    host = points.cpu().numpy()
    measured = convergence(host)._replace(rhat=nested_rhat(host, SUPERCHAINS))
    problems = convergence_problems(measured, density.coordinates)
    divergences = int(torch.stack(divergent).sum())
    if divergences:
        problems += (f"{divergences} of {chains * draws} transitions diverged (none may)",)
    return Draws(
        engine="chains",
        points=points,
        diagnostics={
            "rhat": float(measured.rhat.max()),
            "ess_bulk": float(measured.ess_bulk.min()),
            "ess_tail": float(measured.ess_tail.min()),
            "divergences": divergences,
            "accept": float(torch.stack(accepts).mean()),
            "step": step,
            "length": length,
            "leapfrogs": leapfrogs,
            "warmup": warmup,
            "seconds": time.perf_counter() - began,
        },
        problems=problems,
    )


def _leapfrogs(length: float, step: float) -> int:
    return min(max(1, math.ceil(length / step)), MAX_LEAPFROGS)


def chains_work(density: Density) -> Work:
    """A gradient of every chain in every leapfrog."""
    return Work((200 + 64) * CHAINS_LEAPFROGS, 128)


def _begin(density: Density, chains: int, seed: int, whole: bool) -> tuple[State, Tensor]:
    """Starting state, superchain by superchain, and the first metric's root."""
    generator = stream(seed, "chains", "starts").torch()
    centres = torch.cat(
        [density.start(STARTS, seed), density.prior_draws(SUPERCHAINS - STARTS, seed)]
    )
    root = torch.ones(density.dim, dtype=centres.dtype, device=centres.device)
    if density.dim <= MODE_UP_TO:
        modes = find_modes(density, centres)
        if peaks := distinct(modes):
            masses = modes.log_masses()[peaks]
            heavy = (masses > masses.max() + math.log(WORTH_A_START)).tolist()
            kept = [at for at, is_heavy in zip(peaks, heavy, strict=True) if is_heavy]
            centres = modes.points[kept]
            root = _root(torch.linalg.inv(modes.precisions[peaks[int(masses.argmax())]]), whole)
    centres = centres[torch.arange(SUPERCHAINS) % len(centres)]
    noise = torch.randn(SUPERCHAINS, density.dim, generator=generator, dtype=centres.dtype)
    away = OVERDISPERSED * from_white(root, noise.to(centres.device))
    state = state_at(density, centres + away)
    for _ in range(20):  # a start outside the support is drawn in towards its centre
        lost = ~(torch.isfinite(state.log_probs) & torch.isfinite(state.gradients).all(-1))
        if not bool(lost.any()):
            break
        away = torch.where(lost[:, None], 0.5 * away, away)
        state = state_at(density, centres + away)
    usable = torch.isfinite(state.log_probs) & torch.isfinite(state.gradients).all(-1)
    if not bool(usable.any()):
        raise FailedWork("the density is zero or not a number at every starting point")
    good = usable.nonzero().squeeze(-1)
    chosen = good[torch.arange(SUPERCHAINS, device=good.device) % len(good)]
    repeat = chosen.repeat_interleave(chains // SUPERCHAINS)
    return State(*(part[repeat] for part in state)), root


def _first_step(density: Density, state: State, root: Tensor, generator: torch.Generator) -> float:
    """Halve from 1 until one leapfrog is accepted by more than half of the chains."""
    step = 1.0
    for _ in range(40):
        done = transition(density, state, root, step=step, leapfrogs=1, generator=generator)
        if float(done.accept.mean()) > 0.5:
            break
        step /= 2
    return step


def _learn_root(recent: Tensor, whole: bool) -> Tensor:
    """Root of the covariance of draws (transitions, chains, dim), shrunk towards its diagonal."""
    pooled = recent.flatten(0, 1)
    covariance = torch.atleast_2d(torch.cov(pooled.mT))
    floor = 1e-12 * covariance.diagonal().amax().clamp_min(1e-300)
    diagonal = covariance.diagonal().clamp_min(floor)
    if not whole:
        return diagonal.sqrt()
    share = len(pooled) / (len(pooled) + 5.0 * pooled.shape[1])
    return _root(share * covariance + (1 - share) * torch.diag(diagonal), whole)


def _root(covariance: Tensor, whole: bool) -> Tensor:
    if not whole:
        return covariance.diagonal().sqrt()
    root, failed = torch.linalg.cholesky_ex(covariance)
    return root if int(failed) == 0 else covariance.diagonal().sqrt()
