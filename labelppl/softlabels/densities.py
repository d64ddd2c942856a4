"""What the label model believes a measurement to look like in each class, over what was measured.

    p(z_f | y = k, data) ~ (1/S) sum_s p(z_f | y = k, theta_s),   all other measurements missing

on a grid in the table's unit, with histograms of the measured cells by given label. Only measurements that the model
draws given the class have such a density; inputs of a p(y | z) have none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays import Array, Floats
from ..features import Column, Scalar, Vector
from ..posterior import Posterior
from ..table import Cases

DENSITY_POINTS = 121
DENSITY_DRAWS = 200
MARGIN = 0.15
"""Of the measured range, that the grid reaches beyond it on both sides."""
BINS = 24
MOST_CURVES = 12
"""With more classes the curves cannot be told apart."""


def class_densities(posterior: Posterior, cases: Cases) -> tuple[dict[str, Any], ...]:
    """Return the densities of every measurement that is one number.

    Args:
        posterior: The fitted label model.
        cases: The measured cases.

    Returns:
        For each measurement: `feature`, `unit`, `grid` (points,), `density` (class -> (points,), area 1 over all values,
        per unit of the table), `edges` (bins + 1,), `counts` (given label -> (bins,)).

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"y": ["a", "b"] * 20, "x": [0.1 * i + 5 * (i % 2) for i in range(40)]})
        >>> model = gaussian(y=Label("a", "b"), x=Real("mm"))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> one = class_densities(fit(model, cases, seed=0), cases)[0]
        >>> one["feature"], one["unit"], sorted(one["density"])
        ('x', 'mm', ['a', 'b'])
    """
    structure = posterior.density.structure
    inputs = structure.read - structure.sampled
    if len(cases.classes) > MOST_CURVES:
        return ()
    parts = [
        part for name in cases.columns if name not in inputs for part in _parts(posterior, name)
    ]
    made = []
    for part in parts:
        seen = part.values_of(cases.columns[part.column])
        values = part.feature.from_model(seen[~np.isnan(seen)])
        if len(values) < 2 or not values.max() > values.min():
            continue
        made.append(_measurement(posterior, cases, part, ~np.isnan(seen), np.asarray(values)))
    return tuple(made)


class _Part(NamedTuple):
    """One number per case: a column, or one component of it."""

    name: str
    column: str
    component: int | None
    feature: Scalar

    def values_of(self, column: Column) -> Floats:
        """The measured values (cases,) in the model's unit, NaN where there is none."""
        values, observed = column.values.double(), column.observed
        if self.component is not None:
            values, observed = values[:, self.component], observed[:, self.component]
        return np.where(observed.numpy(), values.numpy(), np.nan)


def _parts(posterior: Posterior, name: str) -> list[_Part]:
    feature = posterior.model.features[name]
    if isinstance(feature, Vector):
        return [
            _Part(key, name, i, part) for i, (key, part) in enumerate(feature.components.items())
        ]
    return [_Part(name, name, None, feature)] if isinstance(feature, Scalar) else []


def _measurement(
    posterior: Posterior, cases: Cases, part: _Part, observed: Array, seen: Floats
) -> dict[str, Any]:
    feature = part.feature
    low, high = float(seen.min()), float(seen.max())
    reach = MARGIN * (high - low)
    grid = np.linspace(low - reach, high + reach, DENSITY_POINTS)
    grid = grid[feature.inside(grid)]
    if feature.discrete:
        grid = np.unique(np.round(grid))
    edges = np.linspace(low, high, BINS + 1)
    labels = cases.labels[observed]
    density = _density(posterior, cases, part, feature.to_model(grid)) / abs(feature.scale)
    kept = np.isfinite(density).all(axis=0)
    return {
        "feature": part.name,
        "unit": feature.unit_name,
        "grid": grid[kept].round(9).tolist(),
        "density": {
            label: density[k, kept].round(9).tolist() for k, label in enumerate(cases.classes)
        },
        "edges": edges.round(9).tolist(),
        "counts": {
            label: np.histogram(seen[labels == k], edges)[0].tolist()
            for k, label in enumerate(cases.classes)
        },
    }


def _density(posterior: Posterior, cases: Cases, part: _Part, values: Floats) -> Floats:
    """Density (classes, points) in the model's unit."""
    rows = posterior.equal_weight_rows(DENSITY_DRAWS)
    draws = {key: value[rows] for key, value in posterior.values.items()}
    blank = cases.take(np.zeros(len(values), dtype=np.int64))
    columns = {
        other: replace(column, observed=torch.zeros_like(column.observed), low=None, high=None)
        if column.ballots is None
        else Column.of_ballots(
            column.ballots.of_raters(torch.zeros(column.ballots.raters, dtype=torch.bool)),
            column.names,
        )
        for other, column in blank.columns.items()
    }
    nothing = replace(blank, columns=columns)
    bare = columns[part.column]
    stated = torch.as_tensor(np.asarray(values)).to(bare.values.dtype)
    filled, seen = bare.values.clone(), bare.observed.clone()
    if part.component is None:
        filled, seen = stated, torch.ones_like(seen)
    else:
        filled[:, part.component], seen[:, part.component] = stated, True
    shown = replace(bare, values=filled, observed=seen)
    one = replace(blank, columns={**columns, part.column: shown})
    with torch.no_grad():
        known = posterior.density.class_log_joint(draws, one).joint
        none = posterior.density.class_log_joint(draws, nothing).joint
    log = (known - none).double()
    mean = (torch.logsumexp(log, 0) - np.log(len(rows))).exp()
    return np.asarray(mean.T.numpy(), dtype=np.float64)
