"""`fit`: from a label model and its cases to a posterior, with its diagnostics, for Python and for ArviZ.

The posterior keeps the unconstrained draws with their importance weights, so that every later figure
uses them; a family with a closed form keeps that too, and its labels need no draws.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .arviz_groups import as_arviz, groups
from .errors import InputError
from .features import Ballots
from .inference.auto import run_engines
from .inference.base import Draws, Engine, Progress
from .inference.engines import check_name, rungs_of
from .inference.gibbs import em, gibbs
from .model import ClosedForm, LabelDensity, LabelModel, SiteDraws
from .runs import write_bytes
from .table import Cases, match_ids


@dataclass(frozen=True)
class Posterior:
    """Draws of a label model's parameters given ``cases``.

    Attributes:
        density: The label model bound to the cases it was fitted on.
        sampled: The engine's draws, unconstrained.
        seed: The seed of the fit.
        closed: The posterior in closed form, where the draws came from one; else None.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> fit(model, cases, seed=0).problems
        ()
    """

    density: LabelDensity
    sampled: Draws
    seed: int
    closed: ClosedForm | None = None

    @property
    def model(self) -> LabelModel:
        """The label model that was fitted."""
        return self.density.model

    @property
    def cases(self) -> Cases:
        """The cases it was fitted on."""
        return self.density.cases

    @property
    def diagnostics(self) -> Mapping[str, float | int | str]:
        """What the engine measured: R-hat, effective draws, divergences, Pareto k, seconds.

        After ``auto``, ``tried`` tells every engine that was run and what became of it.
        """
        return self.sampled.diagnostics

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the fit must not be trusted, in words; empty when it qualifies."""
        return self.sampled.problems

    @cached_property
    def values(self) -> dict[str, Tensor]:
        """Parameter values by site, each (draws, ...), chains joined."""
        return self.density.constrain(self.sampled.points.flatten(0, 1))

    @cached_property
    def log_weights(self) -> Tensor:
        """(draws,) log importance weights; their exponentials sum to one."""
        draws = self.sampled.points.shape[0] * self.sampled.points.shape[1]
        if self.sampled.log_weights is None:
            return torch.full((draws,), -float(np.log(draws)), dtype=torch.float64)
        return self.sampled.log_weights.reshape(-1)

    def equal_weight_rows(self, n: int) -> Tensor:
        """Rows (n,) of the draws, in order, that stand for the posterior with equal weights.

        Systematic resampling by ``seed``: a draw of weight w appears n w times, rounded up or down.
        """
        edges = np.cumsum(self.log_weights.exp().numpy())
        offset = np.random.default_rng(self.seed).random()
        at = np.searchsorted(edges / edges[-1], (np.arange(n) + offset) / n)
        return torch.from_numpy(np.minimum(at, len(edges) - 1))

    def to_arviz(self) -> Any:
        """The posterior as ArviZ reads it: InferenceData in 0.23, a DataTree in 1.x."""
        import arviz

        return as_arviz(self.datasets(), arviz)

    def datasets(self) -> dict[str, xr.Dataset]:
        """The ArviZ groups by name, with dims chain, draw, case, class; see `arviz_groups`."""
        return groups(self)

    def save(self, path: str | Path) -> None:
        """Write ``posterior.nc`` (NetCDF 4); opens with ``arviz.from_netcdf``.

        It is made in memory: HDF5 that cannot close its file, as on a full disk, ends the process.
        """
        content = io.BytesIO()
        for i, (name, dataset) in enumerate(self.datasets().items()):
            dataset.to_netcdf(content, mode="a" if i else "w", group=name, engine="h5netcdf")
        write_bytes(Path(path), content.getvalue())

    @staticmethod
    def load(path: str | Path, model: LabelModel, cases: Cases) -> Posterior:
        """The posterior saved at ``path``; ``cases`` must hold the cases it was fitted on, unchanged.

        Raises InputError if a fitted case is gone or changed, or the model has other parameters than it had.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: no such posterior; run labelppl fit first")
        with xr.open_dataset(path, group="sample_stats", engine="h5netcdf") as stats:
            points = torch.from_numpy(stats["point"].values)
            log_weights = torch.from_numpy(stats["log_weight"].values)
            coordinates = tuple(map(str, stats["coordinate"].values))
            told = stats.attrs
        with xr.open_dataset(path, group="observed_data", engine="h5netcdf") as observed:
            fitted = _fitted(path, cases, observed.load(), model)
        model = model.for_cases(fitted)
        density = LabelDensity(model, fitted)
        if density.coordinates != coordinates:
            raise InputError(
                f"{path}: was fitted with the parameters {', '.join(coordinates)}, but the model "
                f"now has {', '.join(density.coordinates)}; fit again"
            )
        sampled = Draws(
            engine=told["inference_engine"],
            points=points,
            log_weights=log_weights if told["weighted"] else None,
            khat=None if np.isnan(told["khat"]) else float(told["khat"]),
            diagnostics=json.loads(told["diagnostics"]),
            problems=tuple(json.loads(told["problems"])),
        )
        closed = model.exact(fitted, int(told["seed"])) if sampled.engine == "exact" else None
        return Posterior(density, sampled, int(told["seed"]), closed)


def to_arviz(posterior: Posterior) -> Any:
    """Turn ``posterior`` into what ArviZ reads, for its plots and summaries.

    Args:
        posterior: What `fit` returned.

    Returns:
        InferenceData in ArviZ 0.23, a DataTree in 1.x, with the dimensions chain, draw, case and class.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> to_arviz(fit(model, cases, seed=0))["posterior"]["prevalence"].dims
        ('chain', 'draw', 'class')
    """
    return posterior.to_arviz()


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
    sampled = run_engines(rungs, density, seed=seed, progress=progress, say=say)
    if closed is not None and sampled.engine == "exact":
        sampled = replace(sampled, problems=(*sampled.problems, *closed.problems))
    if refused:
        tried = f"{refused}{sampled.diagnostics.get('tried', '')}"
        sampled = replace(sampled, diagnostics={**sampled.diagnostics, "tried": tried})
    return Posterior(density, sampled, seed, closed if sampled.engine == "exact" else None)


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


def _fitted(path: str | Path, cases: Cases, observed: xr.Dataset, model: LabelModel) -> Cases:
    """The cases that were fitted, found by id and checked to be what they were."""
    for name in (model.label_name, *model.features):
        if name not in observed:
            raise InputError(f"{path}: was fitted without a column '{name}'; fit again")
    ids = observed["case"].values.astype(str)
    row = match_ids(ids, cases.ids)
    if (row < 0).any():
        case = ids[np.flatnonzero(row < 0)[0]]
        raise InputError(f"{path}: case '{case}' was fitted but is not in the table; fit again")
    fitted = cases.take(row)
    changed = fitted.labels != observed[model.label_name].values
    what = np.where(changed, model.label_name, "")
    for name, column in fitted.columns.items():
        before = torch.from_numpy(observed[name].values).reshape(len(ids), -1)
        now = column.values.double().reshape(len(ids), -1)
        if before.shape != now.shape:
            raise InputError(
                f"{path}: feature '{name}' has other raters than at the fit; fit again"
            )
        seen = column.observed.reshape(len(ids), -1).expand_as(now)
        now = torch.where(seen, now, torch.nan)
        other = ~torch.isclose(before, now, rtol=1e-12, atol=0, equal_nan=True).all(-1).numpy()
        if column.ballots is not None:
            start = torch.cat([torch.zeros(1), before[:, 0].cumsum(0)]).long()
            by, said = (
                torch.from_numpy(observed[f"{name}_{part}"].values) for part in ("rater", "said")
            )
            other |= ~column.ballots.same_as(Ballots(start, by, said, column.ballots.raters))
        what[other] = name
    if (what != "").any():
        at = int(np.flatnonzero(what != "")[0])
        raise InputError(
            f"{path}: column '{what[at]}' of case '{ids[at]}' has changed since the fit; fit again"
        )
    return fitted
