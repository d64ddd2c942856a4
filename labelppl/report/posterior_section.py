"""The label model's parameters: what was inferred, and whether the inference is to be trusted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import InputError

if TYPE_CHECKING:
    import xarray as xr

SUMMARY_ROWS = 60
SUMMARY_COLUMNS = ("mean", "sd", "ess_bulk", "ess_tail", "r_hat")


@dataclass(frozen=True, eq=False)
class PosteriorSection:
    """`rows` hold name, unit, mean, sd, lo, hi (90 %), ess_bulk, ess_tail, r_hat of each parameter.

    A parameter that has the unit of a column is shown in that unit; `converted` says whether there is one.

    With importance weights `khat` is given and the last three say nothing: the draws stored for
    ArviZ are resampled, independent and repeated.
    """

    engine: str
    khat: float | None
    problems: tuple[str, ...]
    diagnostics: tuple[tuple[str, str], ...]
    rows: tuple[dict[str, Any], ...]
    left_out: int
    draws: int
    converted: bool


def posterior_section(path: Path, classes: tuple[str, ...] = ()) -> PosteriorSection:
    """Return the section for `posterior.nc`; raises InputError where it cannot be read."""
    import xarray as xr

    try:
        with xr.open_dataset(path, group="posterior", engine="h5netcdf") as opened:
            posterior = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no posterior can be read ({error}); run labelppl fit") from None
    attrs = posterior.attrs
    khat = float(attrs.get("khat", math.nan))
    draws = posterior.sizes.get("chain", 1) * posterior.sizes.get("draw", 0)
    parameters = sum(v.size // max(1, draws) for v in posterior.data_vars.values())
    rows: list[dict[str, Any]] = []
    for name, variable in posterior.data_vars.items():
        left = SUMMARY_ROWS - len(rows)
        if left <= 0:
            break
        some, units = in_column_units(first_elements(variable, left))
        summary = _summary(some.rename(str(name)))
        ends = some.quantile([0.05, 0.95], ("chain", "draw")).values.reshape(2, -1)
        rows += [
            {
                "name": _named(str(label), classes),
                "unit": units[i],
                "lo": float(ends[0, i]),
                "hi": float(ends[1, i]),
            }
            | {column: float(row[column]) for column in SUMMARY_COLUMNS if column in row}
            for i, (label, row) in enumerate(summary.head(left).iterrows())
        ]
    return PosteriorSection(
        engine=str(attrs.get("inference_engine", "")),
        khat=None if math.isnan(khat) else khat,
        problems=tuple(json.loads(attrs.get("problems", "[]"))),
        diagnostics=tuple(
            (str(k), f"{v:.4g}" if isinstance(v, float) else str(v))
            for k, v in json.loads(attrs.get("diagnostics", "{}")).items()
        ),
        rows=tuple(rows),
        left_out=parameters - len(rows),
        draws=draws,
        converted=any(row["unit"] for row in rows),
    )


def in_column_units(variable: xr.DataArray) -> tuple[xr.DataArray, list[str]]:
    """The parameter in the unit of its column, and the name of the unit for each element, in row-major order."""
    shape = [size for dim, size in variable.sizes.items() if dim not in ("chain", "draw")]
    scales = np.asarray(json.loads(variable.attrs.get("column_units", "1")), dtype=np.float64)
    names = np.asarray(json.loads(variable.attrs.get("column_unit", '""')), dtype=object)
    if scales.ndim:
        # One for each component, which is the last axis; a long parameter may be cut.
        scales, names = scales[: shape[-1]], names[: shape[-1]]
    return variable * scales, [str(name) for name in np.broadcast_to(names, shape).ravel()]


def _summary(variable: xr.DataArray) -> pd.DataFrame:
    """ArviZ's summary, one row per element in row-major order; one chain has no r-hat, and ArviZ would warn of it."""
    import arviz as az

    alone = variable.to_dataset()
    if variable.sizes["chain"] > 1:
        summary: pd.DataFrame = az.summary(alone, kind="all", round_to="none")
        return summary
    summary = az.summary(alone, kind="stats", round_to="none")
    for part in ("bulk", "tail"):
        summary[f"ess_{part}"] = az.ess(alone, method=part)[variable.name].values.ravel()
    return summary


def _named(name: str, classes: tuple[str, ...]) -> str:
    """`prevalence[1]` with the name of the class, where the file has only its number."""
    if not name.startswith("prevalence["):
        return name
    place = name.removeprefix("prevalence[").removesuffix("]")
    if place.isdigit() and int(place) < len(classes):
        return f"prevalence[{classes[int(place)]}]"
    return name


def first_elements(variable: xr.DataArray, most: int) -> xr.DataArray:
    """The parameter with no more elements than the first ``most`` need, in row-major order."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    for at, dim in enumerate(dims):
        inner = math.prod(variable.sizes[d] for d in dims[at + 1 :])
        rows = min(variable.sizes[dim], -(-most // inner))
        variable = variable.isel({dim: slice(rows)})
        if rows > 1:
            break
    return variable
