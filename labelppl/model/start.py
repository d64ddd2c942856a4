"""Points where engines start: near the prior's median, so that the priors settle label switching, and draws of the prior.

Near the median every latent site takes the median of 15 draws from its prior in unconstrained space, given its parents'
medians (Pyro's ``init_to_median`` does the same with parents drawn). Sites whose prior does not depend on others are
drawn for all points at once. Single draws of the prior are spread wider than the posterior, so that no mode is missed.
"""

from __future__ import annotations

from typing import Any

import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor

from ..seeds import Stream
from ..table import Cases
from .declare import LabelModel
from .forward import forward
from .parameters import Parameters, Site

START_DRAWS = 15


def prior_medians(
    model: LabelModel, cases: Cases, parameters: Parameters, n: int, stream: Stream
) -> Tensor:
    """``n`` points (n, dim) near the prior's median."""
    return _points(model, cases, parameters, n, stream, START_DRAWS)


def prior_draws(
    model: LabelModel, cases: Cases, parameters: Parameters, n: int, stream: Stream
) -> Tensor:
    """``n`` single draws (n, dim) from the prior."""
    return _points(model, cases, parameters, n, stream, 1)


def _points(
    model: LabelModel, cases: Cases, parameters: Parameters, n: int, stream: Stream, draws: int
) -> Tensor:
    """``n`` points (n, dim), each the median of so many draws at every site, given the sites before it."""
    if not parameters.dim:
        return torch.zeros(n, 0, dtype=torch.float64)
    with forward(model, stream):
        if parameters.independent:
            parts = [_median(site, site.prior, n, draws) for site in parameters]
            return torch.cat(
                [part.reshape(n, site.size) for part, site in zip(parts, parameters, strict=True)],
                1,
            )
        some = cases.take([0])
        data = {name: column.value for name, column in some.columns.items()}
        points = []
        for _ in range(n):
            with _Median(parameters, draws) as medians:
                poutine.condition(model, data=data)(model.plate(some))
            points.append(parameters.unconstrain(medians.at))
    return torch.stack(points)


class _Median(Messenger):
    """Clamps every latent parameter at its conditional median of ``draws`` draws; ``at`` holds their values."""

    def __init__(self, parameters: Parameters, draws: int) -> None:
        super().__init__()
        self.sites = {site.name: site for site in parameters}
        self.draws = draws
        self.at: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        site = self.sites.get(msg["name"])
        if site is None:
            return
        u = _median(site, msg["fn"], 1, self.draws)[0]
        msg["value"], msg["done"] = site.transform(u), True
        self.at[site.name] = msg["value"]


def _median(site: Site, fn: Any, n: int, draws: int) -> Tensor:
    """(n, ...) in unconstrained space."""
    values = site.on_one_turn(fn.sample((n, draws)).double())
    median: Tensor = site.transform.inv(values).median(1).values
    return median
