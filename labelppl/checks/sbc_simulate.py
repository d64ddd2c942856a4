"""Cases simulated from a label model's prior, in the shape of a given table.

Parameters, labels and measurements are drawn in the order of the model's own Pyro function. The inputs it reads and does
not sample, the number of votes of a case, and which entries are missing stay those of the table. A censored entry is
simulated as measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor

from ..errors import InputError
from ..features import Ballots, Column
from ..model import CasePlate, LabelDensity
from ..model.forward import forward
from ..model.score import inside_cases
from ..seeds import stream
from ..table import Cases

#: Relative difference between the trace's density and the fitted one that counts as rounding.
AGREEMENT_TOLERANCE = 1e-4


class Simulated(NamedTuple):
    """cases with the table's missing entries and labels; labels (cases,) all the true ones; values by site, each (1, ...)."""

    cases: Cases
    labels: npt.NDArray[np.int64]
    values: dict[str, Tensor]


def simulate_table(
    density: LabelDensity,
    table: Cases,
    seed: int,
    clamp: Mapping[str, Tensor] | None = None,
) -> Simulated:
    """One draw of parameters and cases from the prior of ``density``, for the rows of ``table``.

    clamp: values of parameters, and of the label site (cases,), that are not drawn. Raises InputError where a site cannot be drawn from.
    """
    model = density.model
    plate = model.plate(table)
    own = stream(seed, "simulated cases")
    clamped = poutine.condition(model, data=dict(clamp or {}))
    with forward(model, own), poutine.trace() as run, _Feed(plate, table.columns):
        clamped(plate)
    sites = run.trace.nodes
    values = {
        site.name: site.on_one_turn(sites[site.name]["value"].double())[None]
        for site in density.parameters
    }
    drawn = sites[model.label_name]["value"].expand(len(table))
    labels = (drawn[:, None] - density.structure.label_values).abs().argmin(-1).numpy()
    columns = {
        name: _column(name, column, sites[name]["value"]) if name in sites else column
        for name, column in table.columns.items()
    }
    complete = replace(table, columns=columns, labels=labels)
    _refuse_other_density(density, complete, values, run.trace)
    masked = {
        name: _mask_like(column, table.columns[name]) if name in sites else column
        for name, column in columns.items()
    }
    seen = np.where(table.labels >= 0, labels, -1)
    return Simulated(replace(complete, columns=masked, labels=seen), labels, values)


class _Feed(Messenger):
    """Hands every measurement that has been drawn to what the model reads from then on."""

    def __init__(self, plate: CasePlate, columns: Mapping[str, Column]) -> None:
        super().__init__()
        self.plate, self.columns = plate, columns

    def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
        if msg["name"] in self.columns and inside_cases(msg):
            self.plate._columns[msg["name"]] = msg["value"]


def _column(name: str, column: Column, value: Tensor | Ballots) -> Column:
    """What was drawn, in the place of what the table holds."""
    if value.shape != column.value.shape:
        raise InputError(
            f"site '{name}': drawing from it gives the shape {tuple(value.shape)}, the table's column has "
            f"{tuple(column.value.shape)}; such a model cannot be checked by simulation"
        )
    if isinstance(value, Ballots):
        return Column.of_ballots(value, column.names)
    return Column(
        value.to(column.values.dtype), torch.ones_like(column.observed), names=column.names
    )


def _mask_like(drawn: Column, table: Column) -> Column:
    """``drawn`` with the entries missing that the table misses; ballots were drawn for those that were cast."""
    observed = table.observed if table.low is None else table.observed | table.censored
    return replace(drawn, observed=observed)


def _refuse_other_density(
    density: LabelDensity, cases: Cases, values: Mapping[str, Tensor], trace: Any
) -> None:
    """What generated the data must be what is fitted; it is not if a model reads ``z.x`` before it samples ``x``."""
    if density.structure.summed:
        return
    trace.compute_log_prob()
    terms = [
        site["log_prob_sum"]
        for site in trace.nodes.values()
        if site["type"] == "sample" and inside_cases(site)
    ]
    generated = float(sum(terms))
    rows = torch.arange(len(cases)), torch.from_numpy(cases.labels)
    fitted = float(density.class_log_joint(values, cases).joint[0][rows].sum())
    if np.isfinite(fitted) and abs(fitted - generated) > AGREEMENT_TOLERANCE * (1 + abs(generated)):
        raise InputError(
            f"model '{density.model.name}': its density of simulated cases is {fitted:.6g}, but it draws them with "
            f"{generated:.6g}; does it read z.<feature> before it samples that feature? use the sampled value instead"
        )
