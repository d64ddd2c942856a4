"""The engines that come with labelppl, by name, and the ladder of them that ``auto`` climbs.

To add one: a file with the engine and its work, and one line in `ENGINES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from ..errors import InputError
from .base import Density, Engine, Work
from .chains import chains, chains_work
from .exact import Sampler, exact
from .gibbs import em, gibbs
from .laplace import laplace, laplace_work
from .nuts import nuts, nuts_work
from .svi import svi, svi_work

#: Coordinates up to which Laplace's dense Hessian is worth it.
LAPLACE_UP_TO = 1000


class Rung(NamedTuple):
    """An engine with its name, and how much it evaluates where that can be told beforehand."""

    name: str
    engine: Engine
    work: Callable[[Density], Work] | None = None


ENGINES: Mapping[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung("exact", exact),
        Rung("gibbs", gibbs),
        Rung("em", em),
        Rung("laplace", laplace, laplace_work),
        Rung("chains", chains, chains_work),
        Rung("nuts", nuts, nuts_work),
        Rung("svi", svi, svi_work),
    )
}


def ladder(density: Density, sampler: Sampler | None = None) -> tuple[Rung, ...]:
    """What ``auto`` tries, the fastest first: exact, then Laplace, then many chains, then NUTS.

    sampler: of the closed form, where there is one. Above a thousand coordinates, where parameters grow with the cases,
    variational inference stands in for Laplace's dense Hessian.
    """
    closed = () if sampler is None else (Rung("exact", partial(exact, sampler=sampler)),)
    first = "laplace" if density.dim <= LAPLACE_UP_TO else "svi"
    return (*closed, *(ENGINES[name] for name in (first, "chains", "nuts")))


def rungs_of(
    engine: str | Engine,
    density: Density,
    sampler: Sampler | None = None,
    own: Mapping[str, Engine] | None = None,
) -> tuple[Rung, ...]:
    """The engines that ``engine`` stands for: a name, ``auto`` or an engine of the user's own.

    own: engines that the model brings, by name; where one of them is ``gibbs``, ``auto`` is that one alone, since the
    others would only be slower. Raises InputError for an unknown name.
    """
    if not isinstance(engine, str):
        return (Rung(own_name(engine), engine),)
    if own and "gibbs" in own and engine == "auto":
        return (Rung("gibbs", own["gibbs"]),)
    if own and engine in own:
        return (Rung(engine, own[engine]),)
    if check_name(engine) == "auto":
        return ladder(density, sampler)
    if engine == "exact":
        return (Rung("exact", partial(exact, sampler=sampler)),)
    return (ENGINES[engine],)


def check_name(name: str) -> str:
    """The name, if an engine or the ladder is called so; InputError if not."""
    if name not in ("auto", *ENGINES):
        raise InputError(
            f"engine '{name}': expected one of {', '.join(('auto', *ENGINES))}, or FILE.py:NAME for your own"
        )
    return name


def own_name(engine: Engine) -> str:
    """What messages call an engine of the user's own."""
    return str(getattr(engine, "__name__", type(engine).__name__))
