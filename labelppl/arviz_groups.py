"""A posterior as the groups that ArviZ reads, with the variables and dimensions of its schema.

ArviZ knows of no weights: what it reads (``posterior``, ``log_likelihood``,
``posterior_predictive``) is resampled to equal weights, systematically and in the order of the draws, so that equal rows
stand beside each other and ``az.summary`` sees how few independent ones there are. It is one chain, whose r-hat is that of
its halves. The draws with their weights are carried in ``sample_stats``, Kish's effective draws in the attributes. Axes are
named by class, component and the expert's own plates. Pointwise groups hold a stated part of the cases where all would not
fit; the rest is made anew with `Posterior.density`. The log-likelihood is the marginal one that the fit used, log p(z_i, y_i | theta)
of a labelled and log p(z_i | theta) of an unlabelled case, so that ``az.loo`` and ``az.compare`` work
between label models of the same cases.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from . import __version__
from .arrays import Array
from .features import Vector
from .model.structure import prior_trace

if TYPE_CHECKING:
    from .posterior import Posterior


#: Numbers of p(Y|Z, theta) kept for ArviZ: more than that, and draws are thinned evenly, ...
MOST_NUMBERS = 2**23
#: ... but never below so many, which its diagnostics need: then cases are left out of the pointwise groups instead.
LEAST_DRAWS = 400
#: Numbers of parameter values kept for ArviZ (16 MiB).
MOST_VALUES = 2**21


def groups(posterior: Posterior) -> dict[str, xr.Dataset]:
    """The ArviZ groups of ``posterior`` by name."""
    model, cases = posterior.model, posterior.cases
    chains, draws = _chains(posterior)
    at = _rows(posterior, chains, draws)
    index = {"chain": range(chains), "draw": range(at.shape[1])}
    every = {"case": cases.ids}
    shown = _shown_cases(posterior)
    made = {"case": cases.ids[shown]}
    likelihood, probs = _pointwise(posterior, at, shown)
    observed, measured = _columns(posterior)
    dims = axes_of(posterior)
    used = {dim for site in dims.values() for dim in site}
    coordinates = {k: v for k, v in _coordinates(posterior).items() if k in used}
    stats: dict[str, Any] = {
        "point": (
            ("chain", "draw", "coordinate"),
            posterior.sampled.points.reshape(chains, draws, posterior.density.dim).numpy(),
        ),
        "log_weight": (("chain", "draw"), posterior.log_weights.reshape(chains, draws).numpy()),
    }
    found = {
        "posterior": xr.Dataset(
            {
                name: _variable(name, value[at[:, : _most_draws(posterior, at)]], dims)
                for name, value in posterior.values.items()
            },
            coords={**index, "draw": range(_most_draws(posterior, at)), **coordinates},
        ),
        "log_likelihood": xr.Dataset(
            {model.label_name: (("chain", "draw", "case"), likelihood)}, coords={**index, **made}
        ),
        "posterior_predictive": xr.Dataset(
            {f"{model.label_name}_probs": (("chain", "draw", "case", "class"), probs)},
            coords={**index, **made, "class": list(cases.classes)},
        ),
        "sample_stats": xr.Dataset(
            stats,
            coords={
                "chain": range(chains),
                "draw": range(draws),
                "coordinate": list(posterior.density.coordinates),
            },
        ),
        "observed_data": xr.Dataset(observed, coords=every),
        "constant_data": xr.Dataset(measured, coords=every),
    }
    for dataset in found.values():
        dataset.attrs.update(_attributes(posterior))
    return found


def as_arviz(found: dict[str, xr.Dataset], library: Any) -> Any:
    """InferenceData if ArviZ, given as the module ``library``, still has it (0.x), else a DataTree (1.x)."""
    if hasattr(library, "InferenceData"):
        return library.InferenceData(attrs=None, **found)
    return xr.DataTree.from_dict(found)


def _chains(posterior: Posterior) -> tuple[int, int]:
    """(chains, draws): independent draws of equal weight are shown as four chains, which ArviZ can compare."""
    chains, draws = posterior.sampled.points.shape[:2]
    if posterior.sampled.log_weights is not None:
        return 1, chains * draws
    return (4, draws // 4) if chains == 1 and draws > 4 and draws % 4 == 0 else (chains, draws)


def _rows(posterior: Posterior, chains: int, draws: int) -> Tensor:
    """Rows (chains, draws) of the joined draws that are shown, all with the same weight."""
    size = max(1, len(posterior.cases) * len(posterior.cases.classes))
    kept = min(draws, -(-max(LEAST_DRAWS, MOST_NUMBERS // size) // chains))
    if posterior.sampled.log_weights is not None:
        return posterior.equal_weight_rows(kept)[None]
    within = torch.arange(kept) * draws // kept
    return torch.arange(chains)[:, None] * draws + within


def _shown_cases(posterior: Posterior) -> Array:
    """The cases (shown,) of the pointwise groups: all, or as many, evenly spread, as `LEAST_DRAWS` draws leave room for."""
    n = len(posterior.cases)
    most = max(1, MOST_NUMBERS // (LEAST_DRAWS * len(posterior.cases.classes)))
    return np.arange(n) if n <= most else np.arange(most) * n // most


def _most_draws(posterior: Posterior, at: Tensor) -> int:
    """Draws of each chain whose parameter values fit `MOST_VALUES`."""
    size = sum(value[0].numel() for value in posterior.values.values())
    return max(1, min(at.shape[1], MOST_VALUES // max(1, size * len(at))))


def axes_of(posterior: Posterior) -> dict[str, tuple[str, ...]]:
    """Names of the axes of each site that a family or the expert's plates name; others are left to ``<site>_dim_0`` and on."""
    named = dict(posterior.model.axes())
    trace = prior_trace(posterior.model, posterior.cases, seed=0)
    for name, value in posterior.values.items():
        site = trace.nodes[name]
        events = site["fn"].event_dim
        dims = [f"{name}_dim_{i}" for i in range(value.dim() - 1)]
        for frame in site["cond_indep_stack"]:
            dims[len(dims) - events + frame.dim] = frame.name
        told = named.get(name, ())[: len(dims)]
        named[name] = (*told, *dims[len(told) :])
    sizes: dict[str, int] = {
        "class": len(posterior.cases.classes),
        "chain": 0,
        "draw": 0,
        "case": 0,
    }
    for name, value in posterior.values.items():
        dims = list(named[name])
        for i, (dim, size) in enumerate(zip(dims, value.shape[1:], strict=True)):
            if sizes.setdefault(dim, size) != size or dims.index(dim) < i:
                dims[i] = f"{name}_dim_{i}"
        named[name] = tuple(dims)
    return named


def _coordinates(posterior: Posterior) -> dict[str, list[str]]:
    """Names along the axes: of the classes, of a Vector's components, of raters."""
    found = {"class": list(posterior.cases.classes)}
    for name, feature in posterior.model.features.items():
        if isinstance(feature, Vector):
            for dim in (f"{name}_component", f"{name}_component_2"):
                found[dim] = list(feature.components)
        column = posterior.cases.columns[name]
        if column.names:
            found[f"{name}_rater"] = list(column.names)
    return found


def _pointwise(posterior: Posterior, at: Tensor, shown: Array) -> tuple[Array, Array]:
    """Log-likelihood (chain, draw, case) and p(Y|Z, theta) (chain, draw, case, class) of the rows ``at``, cases ``shown``."""
    values = {name: value[at.reshape(-1)] for name, value in posterior.values.items()}
    cases, k = posterior.cases.take(shown), len(posterior.cases.classes)
    likelihood = np.empty((*at.shape, len(cases)), dtype=np.float32)
    probs = np.empty((*at.shape, len(cases), k), dtype=np.float32)
    step = max(1, MOST_NUMBERS // (at.numel() * k))
    for first in range(0, len(cases), step):
        block = cases.take(range(first, min(first + step, len(cases))))
        with torch.no_grad():
            joint = posterior.density.class_log_joint(values, block).joint
            given = torch.from_numpy(block.labels)
            index = given.clamp(min=0)[None, :, None].expand(len(joint), -1, 1)
            own = joint.gather(-1, index)[..., 0]
            terms = torch.where(given >= 0, own, torch.logsumexp(joint, -1))
            held = slice(first, first + len(block))
            likelihood[..., held] = terms.reshape(*at.shape, -1).numpy()
            probs[..., held, :] = torch.softmax(joint, -1).reshape(*at.shape, -1, k).numpy()
    return likelihood, probs


def _columns(posterior: Posterior) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table's columns in the model's units, NaN where missing, and what was observed of them.

    Of ballots: how many each case has, and, one case after the other, the rater and what was said.
    """
    observed: dict[str, Any] = {posterior.model.label_name: ("case", posterior.cases.labels)}
    measured: dict[str, Any] = {}
    for name, column in posterior.cases.columns.items():
        dims = ("case", *(f"{name}_dim_{i}" for i in range(column.values.dim() - 1)))
        present = column.observed.reshape(
            *column.observed.shape, *(1,) * (column.values.dim() - column.observed.dim())
        )
        observed[name] = (dims, torch.where(present, column.values.double(), torch.nan).numpy())
        measured[f"{name}_observed"] = (dims[: column.observed.dim()], column.observed.numpy())
        if column.ballots is not None:
            ballot = f"{name}_ballot"
            extra = tuple(f"{name}_said_dim_{i}" for i in range(column.ballots.said.dim() - 1))
            observed[f"{name}_rater"] = (ballot, column.ballots.rater.numpy())
            observed[f"{name}_said"] = ((ballot, *extra), column.ballots.said.numpy())
    return observed, measured


def _attributes(posterior: Posterior) -> dict[str, Any]:
    sampled = posterior.sampled
    return {
        "inference_library": "labelppl",
        "inference_library_version": __version__,
        "inference_engine": sampled.engine,
        "weighted": int(sampled.log_weights is not None),
        "kish_ess": float(1 / posterior.log_weights.exp().square().sum()),
        "pointwise_cases": f"{len(_shown_cases(posterior))} of {len(posterior.cases)}",
        "khat": np.nan if sampled.khat is None else sampled.khat,
        "diagnostics": json.dumps(dict(sampled.diagnostics)),
        "problems": json.dumps(list(sampled.problems)),
        "seed": posterior.seed,
    }


def _variable(
    name: str, value: Tensor, dims: dict[str, tuple[str, ...]]
) -> tuple[tuple[str, ...], Array]:
    return ("chain", "draw", *dims[name]), value.numpy()
