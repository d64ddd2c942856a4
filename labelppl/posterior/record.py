"""`Posterior`: draws of a label model's parameters with its diagnostics, for Python, for ArviZ and on disk.

The posterior keeps the unconstrained draws with their importance weights, so that every later figure
uses them; a family with a closed form keeps that too, and its labels need no draws.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ..arviz_groups import as_arviz, groups
from ..arviz_groups.datasets import coordinates_digest
from ..errors import InputError
from ..facts import Facts, few_names
from ..inference.base import Draws
from ..model import ClosedForm, LabelDensity, LabelModel
from ..runs import write_bytes
from ..seeds import stream
from ..table import Cases
from .fitted_cases import fitted_cases


@dataclass(frozen=True, repr=False)
class Posterior(Facts):
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

    def facts(self) -> dict[str, str]:
        """Which engine, how many draws of which parameters, and whether the fit is to be trusted."""
        return {
            "engine": self.sampled.engine,
            "draws": str(len(self.log_weights)),
            "parameters": few_names(tuple(self.values)),
            "cases": str(len(self.cases)),
            "trusted": "yes" if not self.problems else f"no: {'; '.join(self.problems)}",
        }

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

    def equal_weight_rows(self, n: int, *, mix: bool = False) -> Tensor:
        """Rows (n,) of the draws, in order, that stand for the posterior with equal weights.

        Systematic resampling by ``seed``: a draw of weight w appears n w times, rounded up or down. mix: the draws in random
        order, equal ones still beside each other. Draws of several proposals follow each other proposal by proposal, and
        only together do they stand for the posterior.
        """
        weights = self.log_weights.exp().numpy()
        order = np.arange(len(weights))
        if mix:
            order = stream(self.seed, "order of draws").numpy().permutation(order)
        edges = np.cumsum(weights[order])
        offset = stream(self.seed, "equal weights").numpy().random()
        at = np.searchsorted(edges / edges[-1], (np.arange(n) + offset) / n)
        return torch.from_numpy(order[np.minimum(at, len(edges) - 1)])

    def to_arviz(self, rows: Sequence[int] | None = None) -> Any:
        """The posterior as ArviZ reads it, see `to_arviz`."""
        import arviz

        return as_arviz(self.datasets(rows), arviz)

    def datasets(self, rows: Sequence[int] | None = None) -> dict[str, xr.Dataset]:
        """The ArviZ groups by name, with dims chain, draw, case, class; see `arviz_groups`."""
        return groups(self, rows)

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
        with xr.open_dataset(path, group="constant_data", engine="h5netcdf") as constant:
            fitted = fitted_cases(path, cases, constant.load(), model)
        model = model.for_cases(fitted)
        density = LabelDensity(model, fitted)
        if told.get("parameters_sha256") != coordinates_digest(density.coordinates):
            raise InputError(
                f"{path}: was fitted with {len(coordinates)} parameters, {few_names(coordinates)}, but the model now has "
                f"{len(density.coordinates)}, {few_names(density.coordinates)}; fit again"
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


def to_arviz(posterior: Posterior, rows: Sequence[int] | None = None) -> Any:
    """Turn ``posterior`` into what ArviZ reads, for its plots and summaries.

    Args:
        posterior: What `fit` returned.
        rows: The fitted cases, (shown,), of ``log_likelihood``, ``posterior_predictive`` and ``observed_data``; by default all,
            or an even part of them where all would take more than some 20 MiB.

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
    return posterior.to_arviz(rows)
