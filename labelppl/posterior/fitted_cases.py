"""The cases that a posterior on disk was fitted to, known again in a table by their digests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import InputError
from ..model import LabelModel
from ..table import Cases
from ..table.digests import case_digests, id_digests


def fitted_cases(path: str | Path, cases: Cases, stored: xr.Dataset, model: LabelModel) -> Cases:
    """The cases that were fitted, by the digests of their ids, and checked to be what they were."""
    if "fitted_id" not in stored:
        raise InputError(f"{path}: was written by another version of labelppl; fit again")
    before: dict[str, int] = json.loads(stored["fitted_content"].attrs["columns"])
    for name in (model.label_name, *model.features):
        if name not in before:
            raise InputError(f"{path}: was fitted without a column '{name}'; fit again")
    ids = stored["fitted_id"].values
    row = pd.Index(id_digests(cases.ids)).get_indexer(pd.Index(ids))
    if (row < 0).any():
        gone = np.flatnonzero(row < 0)
        shown = stored["case"].values.astype(str)
        at = pd.Index(ids[gone]).get_indexer(pd.Index(id_digests(shown)))
        names = [f"case '{name}' was fitted but is" for name in shown[at >= 0][:1]] or [
            f"{len(gone)} cases were fitted but are"
        ]
        raise InputError(f"{path}: {names[0]} not in the table; fit again")
    fitted = cases.take(row)
    shapes = json.loads(stored["fitted_content"].attrs["shapes"])
    for name, column in fitted.columns.items():
        raters = None if column.ballots is None else [column.ballots.raters]
        if shapes[name] != (raters or list(column.values.shape[1:])):
            raise InputError(
                f"{path}: feature '{name}' has other raters than at the fit; fit again"
            )
    now = case_digests(fitted, model.label_name)
    changed = np.flatnonzero(now.content != stored["fitted_content"].values)
    if len(changed):
        columns = [name for name in before if now.columns.get(name) != before[name]]
        others = f" (and {len(changed) - 1} other cases)" if len(changed) > 1 else ""
        raise InputError(
            f"{path}: column '{columns[0]}' of case '{fitted.ids[changed[0]]}'{others} has changed since the fit; fit again"
        )
    return fitted
