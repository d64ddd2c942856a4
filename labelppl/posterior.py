"""`fit`: from a label model and its cases to a posterior, with its diagnostics, for Python and for ArviZ.

The posterior keeps the unconstrained draws with their importance weights, so that every later figure uses them. What
ArviZ reads (``posterior``, ``log_likelihood``, ``posterior_predictive``) is resampled to equal weights, since its
functions know of none; the draws and weights themselves are carried in ``sample_stats``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from . import __version__
from .errors import InputError
from .inference.base import Draws, Progress
from .model import LabelDensity, LabelModel
from .runs import write_atomically
from .table import Cases

Method = Literal["auto", "exact", "laplace", "chains", "nuts", "svi"]

#: Numbers kept of p(Y|Z, theta) in the ArviZ groups; more draws than that are thinned, and said so there.
MOST_PREDICTIVE = 2**24


@dataclass(frozen=True)
class Posterior:
    """Draws of a label model's parameters given ``cases``.

    density: the label model bound to the cases it was fitted on. sampled: the engine's draws, unconstrained.
    """

    density: LabelDensity
    sampled: Draws
    seed: int

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
        """What the engine measured: R-hat, effective draws, divergences, Pareto k, seconds."""
        return self.sampled.diagnostics

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the fit must not be trusted, in words; empty when it qualifies."""
        return self.sampled.problems

    @cached_property
    def values(self) -> dict[str, Tensor]:
        """Parameter values by site, each (draws, ...), chains joined."""
        return self.density.constrain(self.sampled.points.reshape(-1, self.density.dim))

    @cached_property
    def log_weights(self) -> Tensor:
        """(draws,) log importance weights; their exponentials sum to one."""
        draws = self.sampled.points.shape[0] * self.sampled.points.shape[1]
        if self.sampled.log_weights is None:
            return torch.full((draws,), -float(np.log(draws)), dtype=torch.float64)
        return self.sampled.log_weights.reshape(-1)

    def to_arviz(self) -> Any:
        """The posterior as ArviZ reads it: InferenceData in 0.23, a DataTree in 1.x."""
        import arviz as az

        groups = self.datasets()
        if hasattr(az, "InferenceData"):
            return az.InferenceData(attrs=None, **groups)
        return xr.DataTree.from_dict(
            {name: xr.DataTree(dataset) for name, dataset in groups.items()}
        )

    def datasets(self) -> dict[str, xr.Dataset]:
        """The ArviZ groups by name; see DESIGN §6 for their variables and dimensions."""
        chains, draws = self._arviz_shape()
        points = self.sampled.points.reshape(chains, draws, self.density.dim)
        at = self._equal_weight_rows()
        label = self.model.label_name
        joint, _ = self.density.class_log_joint({k: v[at] for k, v in self.values.items()})
        given = torch.from_numpy(self.cases.labels)
        evidence = torch.logsumexp(joint, -1)
        own = joint.gather(-1, given.clamp(min=0)[None, :, None].expand(len(joint), -1, 1))[..., 0]
        likelihood = torch.where(given >= 0, own, evidence)
        step = max(1, -(-joint.numel() // (MOST_PREDICTIVE * chains)))
        probs = torch.softmax(joint, -1).reshape(chains, draws, len(given), -1)[:, ::step]
        index = {"chain": range(chains), "draw": range(draws)}
        cases = {"case": self.cases.ids, "class": list(self.cases.classes)}
        posterior = {
            name: _variable(name, value[at].reshape(chains, draws, *value.shape[1:]))
            for name, value in self.values.items()
        }
        stats: dict[str, Any] = {
            "point": (("chain", "draw", "coordinate"), points.numpy()),
            "log_weight": (("chain", "draw"), self.log_weights.reshape(chains, draws).numpy()),
        }
        observed: dict[str, Any] = {label: ("case", self.cases.labels)}
        measured: dict[str, Any] = {}
        for name, column in self.cases.columns.items():
            dims = ("case", f"{name}_component")[: column.values.dim()]
            present = (
                column.observed
                if column.observed.dim() == column.values.dim()
                else column.observed[:, None]
            )
            observed[name] = (dims, torch.where(present, column.values.double(), torch.nan).numpy())
            measured[f"{name}_observed"] = (dims[: column.observed.dim()], column.observed.numpy())
        made = {"case": cases["case"]}
        datasets = {
            "posterior": xr.Dataset(posterior, coords=index),
            "log_likelihood": xr.Dataset(
                {label: (("chain", "draw", "case"), likelihood.reshape(chains, draws, -1).numpy())},
                coords={**index, **made},
            ),
            "posterior_predictive": xr.Dataset(
                {f"{label}_probs": (("chain", "draw", "case", "class"), probs.numpy())},
                coords={"chain": range(chains), "draw": range(0, draws, step), **cases},
            ),
            "sample_stats": xr.Dataset(
                stats, coords={**index, "coordinate": list(self.density.coordinates)}
            ),
            "observed_data": xr.Dataset(observed, coords=made),
            "constant_data": xr.Dataset(measured, coords=made),
        }
        for dataset in datasets.values():
            dataset.attrs.update(self._attributes())
        return datasets

    def save(self, path: str | Path) -> None:
        """Write ``posterior.nc`` (NetCDF 4); opens with ``arviz.from_netcdf``."""

        def write(temporary: Path) -> None:
            for i, (name, dataset) in enumerate(self.datasets().items()):
                packed = {
                    v: {"zlib": True, "complevel": 1}
                    for v in dataset.data_vars
                    if dataset[v].dtype.kind == "f"
                }
                dataset.to_netcdf(
                    temporary,
                    mode="a" if i else "w",
                    group=name,
                    engine="h5netcdf",
                    encoding=packed,
                )

        write_atomically(Path(path), write)

    @staticmethod
    def load(path: str | Path, model: LabelModel, cases: Cases) -> Posterior:
        """The posterior saved at ``path``; ``cases`` must hold the cases it was fitted on.

        Raises InputError if a fitted case is gone or its label has changed.
        """
        with xr.open_dataset(path, group="sample_stats", engine="h5netcdf") as stats:
            points, log_weight = (
                torch.from_numpy(stats["point"].values),
                torch.from_numpy(stats["log_weight"].values),
            )
            attributes = stats.attrs
        with xr.open_dataset(path, group="observed_data", engine="h5netcdf") as observed:
            ids, labels = observed["case"].values.astype(str), observed[model.label_name].values
        row = {case: i for i, case in enumerate(cases.ids)}
        for case in ids:
            if case not in row:
                raise InputError(
                    f"{path}: case '{case}' was fitted but is not in the table; fit again"
                )
        fitted = cases.take([row[case] for case in ids])
        changed = np.flatnonzero(fitted.labels != labels)
        if len(changed):
            raise InputError(
                f"{path}: the label of case '{ids[changed[0]]}' has changed since the fit; fit again"
            )
        khat = attributes["khat"]
        sampled = Draws(
            method=attributes["inference_method"],
            points=points,
            log_weights=None if np.isnan(khat) else log_weight,
            khat=None if np.isnan(khat) else float(khat),
            diagnostics=json.loads(attributes["diagnostics"]),
            problems=tuple(json.loads(attributes["problems"])),
        )
        return Posterior(LabelDensity(model, fitted), sampled, int(attributes["seed"]))

    def _attributes(self) -> dict[str, Any]:
        return {
            "inference_library": "labelppl",
            "inference_library_version": __version__,
            "inference_method": self.sampled.method,
            "khat": np.nan if self.sampled.khat is None else self.sampled.khat,
            "diagnostics": json.dumps(dict(self.diagnostics)),
            "problems": json.dumps(list(self.problems)),
            "seed": self.seed,
        }

    def _arviz_shape(self) -> tuple[int, int]:
        """(chains, draws): independent draws from one batch are shown as four chains, which ArviZ can compare."""
        chains, draws = self.sampled.points.shape[:2]
        return (4, draws // 4) if chains == 1 and draws % 4 == 0 else (chains, draws)

    def _equal_weight_rows(self) -> Tensor:
        """(draws,) rows of the draws after systematic resampling, in random order; all rows if weights are equal."""
        draws = len(self.log_weights)
        if self.sampled.log_weights is None:
            return torch.arange(draws)
        rng = np.random.default_rng(self.seed)
        edges = np.cumsum(self.log_weights.exp().numpy())
        at = np.searchsorted(edges / edges[-1], (np.arange(draws) + rng.random()) / draws)
        return torch.from_numpy(rng.permutation(at))


def fit(
    model: LabelModel,
    cases: Cases,
    *,
    method: Method = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Posterior:
    """Fit ``model`` to ``cases``: labelled ones by p(z, y), unlabelled ones by p(z).

    method: ``auto`` takes the fastest engine that qualifies. Look at ``.problems`` before use. Raises InputError where
    model and cases do not fit together, FailedWork where the engine cannot run at all.
    """
    density = LabelDensity(model, cases)
    return Posterior(density, engine(method)(density, seed=seed, progress=progress), seed)


def engine(method: str) -> Callable[..., Draws]:
    """The inference engine of that name."""
    from .inference.laplace import laplace
    from .inference.nuts import nuts

    engines: dict[str, Callable[..., Draws]] = {"nuts": nuts, "laplace": laplace, "auto": laplace}
    if method not in engines:
        raise InputError(f"method '{method}': expected one of {', '.join(engines)}")
    return engines[method]


def _variable(name: str, value: Tensor) -> tuple[tuple[str, ...], Any]:
    return ("chain", "draw", *(f"{name}_dim_{i}" for i in range(value.dim() - 2))), value.numpy()
