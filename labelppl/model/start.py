"""Points near the prior's median, where engines start, so that the priors settle label switching.

Every latent site takes the median of 15 draws from its prior in unconstrained space, given its parents' medians
(Pyro's ``init_to_median`` does the same with parents drawn). Sites whose prior does not depend on others are drawn for
all points at once.
"""

from __future__ import annotations

from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor

from ..table import Cases
from .declare import LabelModel
from .parameters import Parameters, Site
from .precision import float64_defaults

START_DRAWS = 15


def prior_medians(
    model: LabelModel, cases: Cases, parameters: Parameters, n: int, seed: int
) -> Tensor:
    """``n`` points (n, dim)."""
    if not parameters.dim:
        return torch.zeros(n, 0, dtype=torch.float64)
    with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False), float64_defaults():
        torch.manual_seed(seed)
        if parameters.independent:
            parts = [_median(site, site.prior, n) for site in parameters]
            return torch.cat(
                [part.reshape(n, site.size) for part, site in zip(parts, parameters, strict=True)],
                1,
            )
        some = cases.take([0])
        data = {name: column.values for name, column in some.columns.items()}
        points = []
        for _ in range(n):
            with _Median(parameters) as medians:
                poutine.condition(model, data=data)(model.plate(some))
            points.append(parameters.unconstrain(medians.at))
    return torch.stack(points)


class _Median(Messenger):
    """Clamps every latent parameter at its conditional median; ``at`` holds their values."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.sites = {site.name: site for site in parameters}
        self.at: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        site = self.sites.get(msg["name"])
        if site is None:
            return
        u = _median(site, msg["fn"], 1)[0]
        msg["value"], msg["done"] = site.transform(u), True
        self.at[site.name] = msg["value"]


def _median(site: Site, fn: Any, n: int) -> Tensor:
    """(n, ...) in unconstrained space."""
    draws = fn.sample((n, START_DRAWS)).double()
    median: Tensor = site.transform.inv(draws).median(1).values
    return median
