"""Negative binomial count given the class: a Poisson whose rate varies between cases.

    z | y = k ~ Poisson(g), g ~ Gamma(r_k, rate r_k / m_k): mean m_k, variance m_k + m_k^2 / r_k
    log m_k ~ N(pooled log-scale location, 2 spreads),  log r_k ~ N(log 2, 1)

In torch's terms `total_count` is r and `probs` is m / (m + r); Pyro's GammaPoisson is used instead.
"""

from __future__ import annotations

import math
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
class NegativeBinomial(Law):
    """A `Count`. Sites ``<name>_mean`` and ``<name>_size`` (small is overdispersed)."""

    accepts = (Count,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        m, s = log_place(self)
        means = dist.LogNormal(m, 2 * s).expand([classes]).to_event(1)
        mean = pyro.sample(f"{self.name}_mean", means)
        sizes = dist.LogNormal(math.log(2.0), 1.0).expand([classes]).to_event(1)
        size = pyro.sample(f"{self.name}_size", sizes)

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, dist.GammaPoisson(size[y], size[y] / mean[y]))

        return observe


def negative_binomial(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Overdispersed counts: ``negative_binomial(diagnosis=Label("a", "b"), lesions=Count(high=40))``."""
    return independent(prevalence=prevalence, **bind(NegativeBinomial, declared, typical or {}))
