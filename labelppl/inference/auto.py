"""Engines in turn, until one qualifies.

Each is run and judged by its own checks; what it failed at is recorded and the next one is tried. A line tells when an
engine starts, with an estimate of its cost where that is worth a word, and how it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ..errors import FailedWork, InputError
from .base import Density, Draws, Progress
from .cost import estimate, in_time
from .engines import Rung, ladder
from .exact import Sampler

#: Coordinates times numbers per evaluation below which an engine's cost is not worth measuring.
WORTH_MEASURING = 200.0


def auto(
    density: Density,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    sampler: Sampler | None = None,
    say: Callable[[str], None] | None = None,
) -> Draws:
    """Draws of the first engine of the `ladder` without problems, or else of the last one that drew anything.

    sampler: of the closed form, where there is one. progress: as each engine calls it. say: called with a line when an
    engine starts and when it ends. Raises FailedWork where no engine could draw at all.
    """
    return run_engines(ladder(density, sampler), density, seed=seed, progress=progress, say=say)


def run_engines(
    rungs: Sequence[Rung],
    density: Density,
    *,
    seed: int,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Draws:
    """Draws of the first of the engines that qualifies; ``diagnostics['tried']`` tells what became of each."""
    began = time.perf_counter()
    tried: list[str] = []
    last: Draws | None = None
    for rung in rungs:
        if say is not None:
            say(_start_line(rung, density, seed))
        started = time.perf_counter()
        try:
            draws = _check_draws(rung, density, rung.engine(density, seed=seed, progress=progress))
        except FailedWork as error:
            if len(rungs) == 1:
                raise
            outcome = f"{rung.name} failed ({error})"
        else:
            last = draws
            problems = "; ".join(draws.problems)
            outcome = f"{rung.name} refused ({problems})" if problems else f"{rung.name} qualified"
        tried.append(outcome)
        if say is not None:
            say(f"{outcome} after {in_time(time.perf_counter() - started)}")
        if last is not None and last.ok:
            break
    if last is None:
        raise FailedWork(f"no engine could draw from the posterior: {', '.join(tried)}")
    if len(rungs) == 1:
        return last
    total = time.perf_counter() - began
    return replace(
        last,
        diagnostics={**last.diagnostics, "tried": ", ".join(tried), "seconds_in_all": total},
    )


def _start_line(rung: Rung, density: Density, seed: int) -> str:
    line = f"{rung.name} starts: {density.dim} parameters"
    if rung.work is None or density.dim * density.numbers < WORTH_MEASURING:
        return line
    return f"{line}, {estimate(density, rung.work(density), seed)}"


def _check_draws(rung: Rung, density: Density, draws: Draws) -> Draws:
    """What an engine returned, if it is draws; InputError says what is wrong with an engine of the user's own."""
    if not isinstance(draws, Draws):
        raise InputError(
            f"engine '{rung.name}': it returned {type(draws).__name__}, expected labelppl.inference.Draws"
        )
    if draws.points.dim() != 3 or draws.points.shape[-1] != density.dim:
        raise InputError(
            f"engine '{rung.name}': its points have the shape {tuple(draws.points.shape)}, "
            f"expected (chains, draws, {density.dim})"
        )
    weights = draws.log_weights
    if weights is not None and weights.shape != draws.points.shape[:2]:
        raise InputError(
            f"engine '{rung.name}': its log_weights have the shape {tuple(weights.shape)}, "
            f"expected {tuple(draws.points.shape[:2])}, as its points"
        )
    if draws.ok and not bool(torch.isfinite(draws.points).all()):
        return replace(draws, problems=("some draws are not finite",))
    return draws
