"""Poisson count given the class: z | y = k ~ Poisson(r_k), log r_k ~ N(log-scale pooled location, 2 spreads)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
from torch import Tensor

from ..features import Count, Feature, Label
from ..model import CasePlate
from .independent import Family, independent
from .law import Law, Typical, bind
from .log_normal import log_place


@dataclass(frozen=True)
class Poisson(Law):
    """A `Count`. Site ``<name>_rate``."""

    accepts = (Count,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        m, s = log_place(self)
        rates = dist.LogNormal(m, 2 * s).expand([classes]).to_event(1)
        rate = pyro.sample(f"{self.name}_rate", rates)

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, dist.Poisson(rate[y]))

        return observe


def poisson(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Counts: ``poisson(diagnosis=Label("a", "b"), lesions=Count(), typical={"lesions": (3, 3)})``."""
    return independent(prevalence=prevalence, **bind(Poisson, declared, typical or {}))
