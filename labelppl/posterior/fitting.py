"""`fit`: from a label model and its cases to a posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ..errors import InputError
from ..inference.auto import run_engines
from ..inference.base import Draws, Engine, Progress
from ..inference.engines import check_name, rungs_of
from ..inference.gibbs import em, gibbs
from ..model import ClosedForm, LabelDensity, LabelModel, SiteDraws
from ..table import Cases
from .record import Posterior

#: Numbers of all draws that a posterior keeps (16 MiB).
KEPT_NUMBERS = 2**21


def fit(
    model: LabelModel,
    cases: Cases,
    *,
    engine: str | Engine = "auto",
    seed: int = 0,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Posterior:
    """Fit ``model`` to ``cases``: labelled ones by p(z, y), unlabelled ones by p(z).

    Args:
        model: The label model, from `label_model`, a ready-made family or `load_model`.
        cases: The cases, from `read_cases`.
        engine: ``auto`` takes the fastest engine that qualifies, and tells in ``diagnostics['tried']`` which it ran and
            why; a name takes that engine; a function ``(density, seed=, progress=) -> Draws`` is one of your own.
        seed: Of everything random.
        progress: Called with (steps done, steps in all) while an engine works.
        say: Called with a line when an engine starts, with its cost where that is long, and when it ends.

    Returns:
        The draws with their diagnostics. Look at ``.problems`` before use.

    Raises:
        InputError: Model, cases and engine do not fit together.
        FailedWork: The engine cannot run at all.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> soft_labels(fit(model, cases, seed=0)).probs.shape
        (6, 2)
    """
    if isinstance(engine, str):
        check_name(engine)
    model = model.for_cases(cases)
    density = LabelDensity(model, cases)
    if density.dim == 0:
        return Posterior(density, Draws("exact", torch.zeros(1, 1, 0, dtype=torch.float64)), seed)
    closed, refused = None, ""
    if engine in ("auto", "exact"):
        try:
            closed = model.exact(density.cases, seed)
        except InputError as error:
            if engine == "exact":
                raise
            refused = f"exact not possible ({error}), "
    sampler = None if closed is None else partial(_points, density, closed)
    bring = {"gibbs": gibbs, "em": em}
    own: dict[str, Engine] = {
        name: partial(bring[name], sampler=sampler_of, unconstrain=partial(_of_sites, density))
        for name, sampler_of in model.samplers(density.cases).items()
    }
    rungs = rungs_of(engine, density, sampler, own)
    sampled = _thin(run_engines(rungs, density, seed=seed, progress=progress, say=say))
    if closed is not None and sampled.engine == "exact":
        sampled = replace(sampled, problems=(*sampled.problems, *closed.problems))
    if refused:
        tried = f"{refused}{sampled.diagnostics.get('tried', '')}"
        sampled = replace(sampled, diagnostics={**sampled.diagnostics, "tried": tried})
    return Posterior(density, sampled, seed, closed if sampled.engine == "exact" else None)


def _thin(sampled: Draws) -> Draws:
    """The draws, evenly thinned where they hold more than `KEPT_NUMBERS` numbers: what is kept in memory is what is saved."""
    chains, draws, dim = sampled.points.shape
    kept = max(1, KEPT_NUMBERS // max(1, chains * dim))
    if kept >= draws:
        return sampled
    at = torch.arange(kept) * draws // kept
    weights = sampled.log_weights
    if weights is not None:
        weights = weights[:, at] - torch.logsumexp(weights[:, at].flatten(), 0)
    told = {**sampled.diagnostics, "kept_draws": chains * kept}
    return replace(sampled, points=sampled.points[:, at], log_weights=weights, diagnostics=told)


def _of_sites(density: LabelDensity, drawn: SiteDraws) -> Tensor:
    """Draws by site (chains, draws, ...) as points (chains, draws, dim), unconstrained."""
    flat = []
    for site in density.parameters:
        value = site.transform.inv(drawn.values[site.name].double())
        flat.append(value.reshape(*value.shape[:2], site.size))
    return torch.cat(flat, -1)


def _points(density: LabelDensity, closed: ClosedForm, draws: int, seed: int) -> Tensor:
    """Independent draws (draws, dim) from the closed form, unconstrained."""
    values = closed.draw(draws, seed)
    flat = [
        site.transform.inv(values[site.name].double()).reshape(draws, -1)
        for site in density.parameters
    ]
    return torch.cat(flat, -1)
