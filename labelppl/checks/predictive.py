"""Simulating measurements from a label model, before the fit (from the priors) and after it (from the posterior).

prior predictive      do the priors believe in measurements that the declared bounds exclude, or miss those in the table?
posterior predictive  are two measurements more alike within a class than the fitted model says (`predictive_dependence`)?

The expert's own Pyro function is run forward; nothing is conditioned but what is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pyro import poutine
from torch import Tensor

from ..features import Angle, Column, Feature, Scalar, Vector
from ..model import LabelModel
from ..model.forward import forward
from ..seeds import stream
from ..table import Cases
from .finding import Finding

#: Share of the prior predictive beyond the bounds, or of the data beyond the prior's central 99 %, that is worth a word.
TOO_MANY = 0.1
TAIL = 0.005


def simulate_sites(
    model: LabelModel,
    cases: Cases,
    names: list[str],
    runs: Sequence[Mapping[str, Tensor]],
    seed: int,
) -> dict[str, Tensor]:
    """What the model draws for the sites ``names``, each (runs, cases, ...).

    runs: for each run the sites that are clamped; {} simulates from the priors. The columns of ``cases`` are its inputs.
    """
    drawn: dict[str, list[Tensor]] = {name: [] for name in names}
    with forward(model, stream(seed, "predictive")):
        for clamped in runs:
            trace = poutine.trace(poutine.condition(model, data=dict(clamped))).get_trace(
                model.plate(cases)
            )
            for name in names:
                drawn[name].append(trace.nodes[name]["value"])
    return {name: torch.stack(values) for name, values in drawn.items()}


def check_prior(
    model: LabelModel, cases: Cases, *, runs: int = 300, seed: int = 0
) -> tuple[Finding, ...]:
    """Compare measurements drawn from the priors with the declared bounds and with the table."""
    some = cases.take(np.linspace(0, len(cases) - 1, min(len(cases), 16)).astype(int))
    sampled = _sampled_numbers(model, some, seed)
    drawn = simulate_sites(model, some, sampled, [{}] * runs, seed)
    findings: list[Finding] = []
    for name in sampled:
        for part, feature, simulated, column in _parts(
            name, model.features[name], drawn[name], cases.columns[name]
        ):
            findings += _compare(part, feature, simulated.reshape(-1), column)
    return tuple(findings)


def _sampled_numbers(model: LabelModel, cases: Cases, seed: int) -> list[str]:
    """The numbers among the features that are sites, in the order of the declaration."""
    with forward(model, stream(seed, "predictive")):
        trace = poutine.trace(model).get_trace(model.plate(cases))
    return [
        name for name, kind in model.features.items() if name in trace.nodes and is_number(kind)
    ]


def is_number(feature: Feature) -> bool:
    """Whether the feature is one number for each case, or several; codes and what raters say are not."""
    return isinstance(feature, Scalar | Vector)


def _parts(
    name: str, feature: Feature, drawn: Tensor, column: Column
) -> list[tuple[str, Scalar, Tensor, Tensor]]:
    """For each column of numbers: its name, type, what was drawn, and what was measured (measured,)."""
    if isinstance(feature, Vector):
        return [
            (part, kind, drawn[..., j], column.values[column.observed[:, j], j])
            for j, (part, kind) in enumerate(feature.components.items())
        ]
    if isinstance(feature, Scalar):
        return [(name, feature, drawn, column.values[column.observed])]
    return []


def _compare(name: str, feature: Scalar, drawn: Tensor, measured: Tensor) -> list[Finding]:
    where = f"feature '{name}'"
    if isinstance(feature, Angle) and feature.kind in ("circular", "axial"):
        return []
    findings = []
    if feature.low is not None or feature.high is not None:
        ends = [np.nan if end is None else end for end in (feature.low, feature.high)]
        low, high = feature.to_model(np.array(ends))
        beyond = float(((drawn < low) | (drawn > high)).double().mean())
        if beyond > TOO_MANY:
            what = f"the priors put {beyond:.0%} of its values outside {feature.describe()}"
            mend = "narrow the priors, or choose a distribution on that range"
            findings.append(Finding("warning", where, what, mend))
    if len(measured):
        tails = torch.tensor([TAIL, 1 - TAIL], dtype=torch.float64)
        low, high = torch.quantile(drawn.double(), tails).tolist()
        missed = float(((measured < low) | (measured > high)).double().mean())
        if missed > TOO_MANY:
            what = (
                f"{missed:.0%} of the measured values lie outside the central 99 % of what the priors expect "
                f"({_in_unit(feature, low)} to {_in_unit(feature, high)}; median measured "
                f"{_in_unit(feature, float(measured.median()))})"
            )
            mend = "check the unit of the column and of the priors (angles are radians in the model), or widen the priors"
            findings.append(Finding("warning", where, what, mend))
    return findings


def _in_unit(feature: Scalar, value: float) -> str:
    """A number of the model as it would stand in the column."""
    unit = f" {feature.unit_name}" if feature.unit_name else ""
    return f"{float(feature.from_model(np.array([value]))[0]):.4g}{unit}"
