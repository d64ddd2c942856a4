"""The label model's parameters: what was inferred, and whether the inference is to be trusted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError

SUMMARY_ROWS = 60
SUMMARY_COLUMNS = ("mean", "sd", "ess_bulk", "ess_tail", "r_hat")


@dataclass(frozen=True, eq=False)
class PosteriorSection:
    """`rows` hold name, mean, sd, lo, hi (90 %), ess_bulk, ess_tail, r_hat of each parameter.

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


def posterior_section(path: Path, classes: tuple[str, ...] = ()) -> PosteriorSection:
    """Return the section for `posterior.nc`; raises InputError where it cannot be read."""
    import arviz as az
    import xarray as xr

    try:
        with xr.open_dataset(path, group="posterior", engine="h5netcdf") as opened:
            posterior = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no posterior can be read ({error}); run labelppl fit") from None
    attrs = posterior.attrs
    khat = float(attrs.get("khat", math.nan))
    summary: pd.DataFrame = az.summary(posterior, kind="all", round_to="none")
    # ArviZ lists the variables in order and each one's elements in row-major order.
    ends = np.concatenate(
        [
            variable.quantile([0.05, 0.95], ("chain", "draw")).values.reshape(2, -1)
            for variable in posterior.data_vars.values()
        ],
        axis=1,
    )
    rows = [
        {"name": _named(str(name), classes), "lo": float(ends[0, i]), "hi": float(ends[1, i])}
        | {column: float(row[column]) for column in SUMMARY_COLUMNS if column in row}
        for i, (name, row) in enumerate(summary.head(SUMMARY_ROWS).iterrows())
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
        left_out=max(0, len(summary) - SUMMARY_ROWS),
        draws=posterior.sizes.get("chain", 1) * posterior.sizes.get("draw", 0),
    )


def _named(name: str, classes: tuple[str, ...]) -> str:
    """`prevalence[1]` with the name of the class, where the file has only its number."""
    if not name.startswith("prevalence["):
        return name
    place = name.removeprefix("prevalence[").removesuffix("]")
    if place.isdigit() and int(place) < len(classes):
        return f"prevalence[{classes[int(place)]}]"
    return name
