"""The fastest engine that qualifies: exact, then Laplace, then many chains, then NUTS.

Each rung is run and judged by its own checks; what it failed at is recorded and the next one is
tried. Above a thousand coordinates, where parameters grow with the cases, variational inference
stands in for Laplace's dense Hessian.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import FailedWork
from .base import Density, Draws, Progress
from .chains import chains
from .exact import Sampler, exact, sampler_of
from .laplace import laplace
from .nuts import nuts
from .svi import svi

LAPLACE_UP_TO = 1000


def auto(
    density: Density,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    sampler: Sampler | None = None,
) -> Draws:
    """Draws of the first engine without problems, or else of the last one that drew anything.

    ``diagnostics['tried']`` tells every engine that was run and what became of it. progress: as
    each engine calls it. Raises FailedWork where no engine could draw at all.
    """
    began = time.perf_counter()
    tried: list[str] = []
    last: Draws | None = None
    for name, run in _rungs(density, sampler):
        try:
            found = run(density, seed=seed, progress=progress)
        except FailedWork as error:
            tried.append(f"{name} failed ({error})")
            continue
        last = found
        if found.ok:
            tried.append(f"{name} qualified")
            break
        tried.append(f"{name} refused ({'; '.join(found.problems)})")
    if last is None:
        raise FailedWork(f"no engine could draw from the posterior: {', '.join(tried)}")
    total = time.perf_counter() - began
    told = {**last.diagnostics, "tried": ", ".join(tried), "seconds_in_all": total}
    return replace(last, diagnostics=told)


def _rungs(density: Density, sampler: Sampler | None) -> list[tuple[str, Callable[..., Draws]]]:
    closed = sampler_of(density) if sampler is None else sampler
    rungs: list[tuple[str, Callable[..., Draws]]] = []
    if closed is not None:
        rungs.append(
            ("exact", lambda density, **options: exact(density, sampler=closed, **options))
        )
    small = density.dim <= LAPLACE_UP_TO
    rungs.append(("laplace", laplace) if small else ("svi", svi))
    return [*rungs, ("chains", chains), ("nuts", nuts)]
