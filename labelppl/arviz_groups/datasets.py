"""A posterior as the groups that ArviZ reads, with the variables and dimensions of its schema.

ArviZ knows of no weights: what it reads (``posterior``, ``log_likelihood``,
``posterior_predictive``) is resampled to equal weights, systematically, the draws in random order but equal rows
beside each other, so that ``az.summary`` sees how few independent ones there are. It is one chain, whose r-hat is that of
its halves. The draws with their weights are carried in ``sample_stats``, Kish's effective draws in the attributes. Axes are
named by class, component, rater and the expert's own plates; measured values are in the table's units.

The file stays below 64 MiB whatever the table: parameter values, draws and pointwise groups have a share each (below). Where
all cases would not fit, ``log_likelihood``, ``posterior_predictive`` and ``observed_data`` hold a stated part of them, evenly
spread; `to_arviz` with ``rows`` makes them for others. Of every fitted case ``constant_data`` has a digest of twelve bytes,
by which `Posterior.load` knows it again. The log-likelihood is the marginal one that the fit used, log p(z_i, y_i | theta)
of a labelled and log p(z_i | theta) of an unlabelled case, so that ``az.loo`` and ``az.compare`` work
between label models of the same cases.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .. import __version__
from ..arrays import Array
from ..features import Vector
from ..model.structure import prior_trace
from ..table import Cases, typed_ids
from .columns import digest_variables, measured_columns, unit_of

if TYPE_CHECKING:
    from ..posterior import Posterior


#: Numbers of p(Y|Z, theta) kept for ArviZ (12 MiB): more than that, and draws are thinned evenly, ...
MOST_NUMBERS = 3 * 2**20
#: ... but never below so many, which its diagnostics need: then cases are left out of the pointwise groups instead.
LEAST_DRAWS = 400
#: Numbers of parameter values kept for ArviZ (8 MiB).
MOST_VALUES = 2**20
#: Chains that are shown at least; a parameter larger than that share of `MOST_VALUES` is left out and named in the attributes.
LEAST_CHAINS = 4
#: Unconstrained coordinates whose names are kept (some 2 MiB).
NAMED_COORDINATES = 2**16
#: Measured numbers kept for ArviZ (8 MiB).
MOST_MEASURED = 2**20


def groups(posterior: Posterior, rows: Sequence[int] | None = None) -> dict[str, xr.Dataset]:
    """The ArviZ groups of ``posterior`` by name.

    Args:
        posterior: A fit.
        rows: The fitted cases of the pointwise groups; None takes those of `shown_cases`.

    Returns:
        Group -> data set: posterior, log_likelihood, posterior_predictive, sample_stats, observed_data, constant_data.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"y": ["a", "b"] * 10, "x": [0.1 * i + 5 * (i % 2) for i in range(20)]})
        >>> model = gaussian(y=Label("a", "b"), x=Real("mm"))
        >>> posterior = fit(model, cases_from_frame(frame, "y", model.label, model.features), seed=0)
        >>> groups(posterior)["posterior_predictive"]["y_probs"].dims
        ('chain', 'draw', 'case', 'class')
    """
    model = posterior.model
    chains, draws = _chains(posterior)
    at = _rows(posterior, chains, draws)
    kept = _most_draws(posterior, at)
    chosen = shown_cases(posterior) if rows is None else np.asarray(rows, dtype=np.int64)
    cases = posterior.cases.take(chosen)
    index = {"chain": range(chains), "draw": range(at.shape[1])}
    case = {"case": typed_ids(cases.ids, cases.id_type)}
    likelihood, probs = _pointwise(posterior, at, cases)
    dims = axes_of(posterior)
    values = {name: value for name, value in posterior.values.items() if _fits(value)}
    named = _coordinates(posterior)
    stats: dict[str, Any] = {
        "point": (
            ("chain", "draw", "coordinate"),
            posterior.sampled.points.reshape(chains, draws, posterior.density.dim).numpy(),
        ),
        "log_weight": (("chain", "draw"), posterior.log_weights.reshape(chains, draws).numpy()),
    }
    observed, measured = measured_columns(posterior, cases)
    datasets = {
        "posterior": xr.Dataset(
            {
                name: (
                    ("chain", "draw", *dims[name]),
                    value[at[:, :kept]].numpy(),
                    unit_of(name, model),
                )
                for name, value in values.items()
            },
            coords={"chain": range(chains), "draw": range(kept)},
        ),
        "log_likelihood": xr.Dataset(
            {model.label_name: (("chain", "draw", "case"), likelihood)}, coords={**index, **case}
        ),
        "posterior_predictive": xr.Dataset(
            {f"{model.label_name}_probs": (("chain", "draw", "case", "class"), probs)},
            coords={**index, **case},
        ),
        "sample_stats": xr.Dataset(
            stats,
            coords={
                "chain": range(chains),
                "draw": range(draws),
                "coordinate": _shown_names(posterior.density.coordinates),
            },
        ),
        "observed_data": xr.Dataset(observed, coords=case),
        "constant_data": xr.Dataset({**measured, **digest_variables(posterior)}, coords=case),
    }
    attributes = _attributes(posterior, len(cases))
    return {
        name: dataset.assign_coords(
            {dim: names for dim, names in named.items() if dataset.sizes.get(dim, 0) == len(names)}
        ).assign_attrs(attributes)
        for name, dataset in datasets.items()
    }


def as_arviz(datasets: dict[str, xr.Dataset], library: Any) -> Any:
    """InferenceData if ArviZ still has it (0.x), else a DataTree (1.x).

    Args:
        datasets: Group -> data set, from `groups`.
        library: ArviZ, as the imported module.

    Returns:
        What ``arviz.summary`` and ``arviz.plot_posterior`` read.

    Examples:
        >>> import arviz
        >>> data = as_arviz({"posterior": xr.Dataset({"mean": (("chain", "draw"), [[0.0, 1.0]])})}, arviz)
        >>> float(data["posterior"]["mean"].mean())
        0.5
    """
    if hasattr(library, "InferenceData"):
        return library.InferenceData(attrs=None, **datasets)
    return xr.DataTree.from_dict(datasets)


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
        return posterior.equal_weight_rows(kept, mix=True)[None]
    within = torch.arange(kept) * draws // kept
    return torch.arange(chains)[:, None] * draws + within


def shown_cases(posterior: Posterior) -> Array:
    """The cases (shown,) of the pointwise groups: all, or as many, evenly spread, as their shares of the file hold."""
    n = len(posterior.cases)
    cells = sum(column.cells for column in posterior.cases.columns.values())
    by_draws = MOST_NUMBERS // (LEAST_DRAWS * len(posterior.cases.classes))
    most = max(1, min(by_draws, MOST_MEASURED // max(1, cells)))
    return np.arange(n) if n <= most else np.arange(most) * n // most


def _fits(value: Tensor) -> bool:
    """Whether one draw of a parameter fits its share of the file."""
    return value[0].numel() <= MOST_VALUES // LEAST_CHAINS


def _most_draws(posterior: Posterior, at: Tensor) -> int:
    """Draws of each chain whose parameter values fit `MOST_VALUES`."""
    size = sum(value[0].numel() for value in posterior.values.values() if _fits(value))
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


def coordinates_digest(coordinates: Sequence[str]) -> str:
    """What tells the parameters of one model from those of another."""
    return hashlib.sha256("\n".join(coordinates).encode()).hexdigest()


def _shown_names(coordinates: Sequence[str]) -> list[str] | range:
    """The names of the unconstrained coordinates, their numbers where they are too many."""
    return list(coordinates) if len(coordinates) <= NAMED_COORDINATES else range(len(coordinates))


def _coordinates(posterior: Posterior) -> dict[str, list[str]]:
    """Names along the axes: of the classes, of a Vector's components, of raters."""
    names = {"class": list(posterior.cases.classes)}
    for name, feature in posterior.model.features.items():
        if isinstance(feature, Vector):
            for dim in (f"{name}_component", f"{name}_component_2"):
                names[dim] = list(feature.components)
        raters = posterior.cases.columns[name].names
        if raters:
            names[f"{name}_rater"] = list(raters)
    return names


def _pointwise(posterior: Posterior, at: Tensor, cases: Cases) -> tuple[Array, Array]:
    """Log-likelihood (chain, draw, case) and p(Y|Z, theta) (chain, draw, case, class) of the rows ``at`` for ``cases``."""
    values = {name: value[at.reshape(-1)] for name, value in posterior.values.items()}
    k = len(cases.classes)
    likelihood = np.empty((*at.shape, len(cases)), dtype=np.float32)
    probs = np.empty((*at.shape, len(cases), k), dtype=np.float32)
    step = max(1, MOST_NUMBERS // (at.numel() * k))
    for first in range(0, len(cases), step):
        block = cases.take(range(first, min(first + step, len(cases))))
        with torch.no_grad():
            joint = posterior.density.class_log_joint(values, block).joint
            labels = torch.from_numpy(block.labels)
            index = labels.clamp(min=0)[None, :, None].expand(len(joint), -1, 1)
            own = joint.gather(-1, index)[..., 0]
            terms = torch.where(labels >= 0, own, torch.logsumexp(joint, -1))
            held = slice(first, first + len(block))
            likelihood[..., held] = terms.reshape(*at.shape, -1).numpy()
            probs[..., held, :] = torch.softmax(joint, -1).reshape(*at.shape, -1, k).numpy()
    return likelihood, probs


def _attributes(posterior: Posterior, shown: int) -> dict[str, Any]:
    sampled = posterior.sampled
    return {
        "inference_library": "labelppl",
        "inference_library_version": __version__,
        "inference_engine": sampled.engine,
        "weighted": int(sampled.log_weights is not None),
        "kish_ess": float(1 / posterior.log_weights.exp().square().sum()),
        "pointwise_cases": f"{shown} of {len(posterior.cases)}",
        "left_out": json.dumps([n for n, value in posterior.values.items() if not _fits(value)]),
        "khat": np.nan if sampled.khat is None else sampled.khat,
        "diagnostics": json.dumps(dict(sampled.diagnostics)),
        "problems": json.dumps(list(sampled.problems)),
        "seed": posterior.seed,
        "parameters_sha256": coordinates_digest(posterior.density.coordinates),
    }
