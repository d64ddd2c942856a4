"""A posterior as the groups that ArviZ reads, with the variables and dimensions of its schema.

ArviZ knows of no weights: what it reads (``posterior``, ``log_likelihood``,
``posterior_predictive``) is resampled to equal weights, and the draws with their weights are carried
in ``sample_stats``. The log-likelihood is the marginal one that the fit used, log p(z_i, y_i | theta)
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

if TYPE_CHECKING:
    from .posterior import Posterior


#: Numbers of p(Y|Z, theta) kept for ArviZ: more than that, and draws are thinned evenly, ...
MOST_NUMBERS = 2**23
#: ... but never below so many, which its diagnostics need.
LEAST_DRAWS = 400


def groups(posterior: Posterior) -> dict[str, xr.Dataset]:
    """The ArviZ groups of ``posterior`` by name."""
    model, cases = posterior.model, posterior.cases
    chains, draws = _chains(posterior)
    at = _rows(posterior, chains, draws)
    index = {"chain": range(chains), "draw": range(at.shape[1])}
    made = {"case": cases.ids}
    likelihood, probs = _pointwise(posterior, at)
    observed, measured = _columns(posterior)
    stats: dict[str, Any] = {
        "point": (
            ("chain", "draw", "coordinate"),
            posterior.sampled.points.reshape(chains, draws, posterior.density.dim).numpy(),
        ),
        "log_weight": (("chain", "draw"), posterior.log_weights.reshape(chains, draws).numpy()),
    }
    found = {
        "posterior": xr.Dataset(
            {name: _variable(name, value[at]) for name, value in posterior.values.items()},
            coords=index,
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
        "observed_data": xr.Dataset(observed, coords=made),
        "constant_data": xr.Dataset(measured, coords=made),
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
    """(chains, draws): independent draws from one batch are shown as four chains, which ArviZ can compare."""
    chains, draws = posterior.sampled.points.shape[:2]
    return (4, draws // 4) if chains == 1 and draws > 4 and draws % 4 == 0 else (chains, draws)


def _rows(posterior: Posterior, chains: int, draws: int) -> Tensor:
    """Rows (chains, draws) of the joined draws that are shown, all with the same weight."""
    size = max(1, len(posterior.cases) * len(posterior.cases.classes))
    kept = min(draws, -(-max(LEAST_DRAWS, MOST_NUMBERS // size) // chains))
    if posterior.sampled.log_weights is not None:
        rows = posterior.equal_weight_rows(chains * kept)
        shuffled = np.random.default_rng(posterior.seed).permutation(rows.numpy())
        return torch.from_numpy(shuffled).reshape(chains, kept)
    within = torch.arange(kept) * draws // kept
    return torch.arange(chains)[:, None] * draws + within


def _pointwise(posterior: Posterior, at: Tensor) -> tuple[Array, Array]:
    """Log-likelihood (chain, draw, case) and p(Y|Z, theta) (chain, draw, case, class) of the rows ``at``."""
    values = {name: value[at.reshape(-1)] for name, value in posterior.values.items()}
    cases, k = posterior.cases, len(posterior.cases.classes)
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
        "khat": np.nan if sampled.khat is None else sampled.khat,
        "diagnostics": json.dumps(dict(sampled.diagnostics)),
        "problems": json.dumps(list(sampled.problems)),
        "seed": posterior.seed,
    }


def _variable(name: str, value: Tensor) -> tuple[tuple[str, ...], Array]:
    return ("chain", "draw", *(f"{name}_dim_{i}" for i in range(value.dim() - 2))), value.numpy()
