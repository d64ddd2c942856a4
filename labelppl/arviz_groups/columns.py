"""The groups of ArviZ that say what was measured, in the table's units, and by which the fitted cases are known again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..arrays import Array
from ..features import Category, Column, Feature, Ordinal, Scalar, Vector, VoteCounts
from ..table import Cases
from ..table.digests import case_digests

if TYPE_CHECKING:
    from ..model import LabelModel
    from ..posterior import Posterior


def measured_columns(posterior: Posterior, cases: Cases) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was measured of ``cases`` in the table's units, NaN where missing; and which of it was observed, or censored between.

    Of ballots: how many each case has, and, one case after the other, the rater and what was said. Names are codes, which
    an attribute spells out.
    """
    label = posterior.model.label_name
    named = {"names": json.dumps(list(cases.classes), ensure_ascii=False)}
    observed: dict[str, Any] = {label: ("case", cases.labels, named)}
    measured: dict[str, Any] = {}
    for name, column in cases.columns.items():
        feature = posterior.model.features[name]
        dims = _dims(name, feature, column)
        present = column.observed.reshape(
            *column.observed.shape, *(1,) * (column.values.dim() - column.observed.dim())
        )
        values = torch.where(present, column.values.double(), torch.nan).numpy()
        observed[name] = (dims, _in_units(feature, values), _describe(feature))
        measured[f"{name}_observed"] = (dims[: column.observed.dim()], column.observed.numpy())
        for end, bounds in (("low", column.low), ("high", column.high)):
            if bounds is not None:
                measured[f"{name}_{end}"] = ("case", _in_units(feature, bounds.numpy()))
        if column.ballots is not None:
            ballot = f"{name}_ballot"
            extra = tuple(f"{name}_said_dim_{i}" for i in range(column.ballots.said.dim() - 1))
            raters = {"names": json.dumps(list(column.names), ensure_ascii=False)}
            observed[f"{name}_by"] = (ballot, column.ballots.rater.numpy(), raters)
            observed[f"{name}_said"] = ((ballot, *extra), column.ballots.said.numpy(), named)
    return observed, measured


def _dims(name: str, feature: Feature, column: Column) -> tuple[str, ...]:
    further = column.values.dim() - 1
    if further == 1 and isinstance(feature, Vector):
        return ("case", f"{name}_component")
    if further == 1 and isinstance(feature, VoteCounts):
        return ("case", "class")
    return ("case", *(f"{name}_dim_{i}" for i in range(further)))


def _in_units(feature: Feature, values: Array) -> Array:
    """``values`` in the units of the table."""
    if isinstance(feature, Scalar):
        return feature.from_model(values)
    if isinstance(feature, Vector):
        parts = [
            part.from_model(values[:, i]) for i, part in enumerate(feature.components.values())
        ]
        return np.stack(parts, 1)
    return values


def _describe(feature: Feature) -> dict[str, str]:
    """Attributes of a variable: its unit, or the names that its codes stand for."""
    if isinstance(feature, Category | Ordinal):
        return {"names": json.dumps(list(feature.names), ensure_ascii=False)}
    unit = feature.unit_name if isinstance(feature, Scalar) else ""
    return {"units": unit} if unit else {}


def unit_of(site: str, model: LabelModel) -> dict[str, str]:
    """Attributes of a parameter: how many of the column's units one of its own is, and the unit's name, where it has one.

    Both are JSON: a value, or one for each component of a `Vector`. The values themselves stay in the model's unit.
    """
    feature = model.features.get(model.units().get(site, ""))
    if isinstance(feature, Scalar):
        parts: list[Scalar] = [feature]
    elif isinstance(feature, Vector):
        parts = list(feature.components.values())
    else:
        return {}
    scales, names = [part.scale for part in parts], [part.unit_name for part in parts]
    if all(scale == 1 for scale in scales) and not any(names):
        return {}
    one = isinstance(feature, Scalar)
    return {
        "column_units": json.dumps(scales[0] if one else scales),
        "column_unit": json.dumps(names[0] if one else names, ensure_ascii=False),
    }


def digest_variables(posterior: Posterior) -> dict[str, Any]:
    """By which the fitted cases are known again."""
    now = case_digests(posterior.cases, posterior.model.label_name)
    shapes = {name: list(c.values.shape[1:]) for name, c in posterior.cases.columns.items()}
    shapes |= {
        name: [c.ballots.raters]
        for name, c in posterior.cases.columns.items()
        if c.ballots is not None
    }
    columns = {"columns": json.dumps(now.columns), "shapes": json.dumps(shapes)}
    return {
        "fitted_id": ("fitted_case", now.ids),
        "fitted_content": ("fitted_case", now.content, columns),
    }
