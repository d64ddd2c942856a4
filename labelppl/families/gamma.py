"""Gamma positive number given the class, by mean and shape.

    z | y = k ~ Gamma(shape a_k, rate a_k / m_k),  log m_k ~ N(m, 2 s),  log a_k ~ N(-2 log(.7 s), 2.4)

with m and s the log-scale location and spread of the pooled measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
from torch import Tensor

from .. import distributions as laws
from ..features import Feature, Label, Positive, Real
from ..model import CasePlate
from .independent import Family, independent
from .law import LOG_SD, Law, Typical, bind
from .log_normal import log_place


@dataclass(frozen=True)
class Gamma(Law):
    """A positive number. Sites ``<name>_mean`` and ``<name>_shape``."""

    accepts = (Positive, Real)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        m, s = log_place(self)
        means = dist.LogNormal(m, 2 * s).expand([classes]).to_event(1)
        mean = pyro.sample(f"{self.name}_mean", means)
        shapes = dist.LogNormal(-2 * math.log(0.7 * s), 2 * LOG_SD).expand([classes]).to_event(1)
        shape = pyro.sample(f"{self.name}_shape", shapes)

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, laws.Gamma(shape[y], shape[y] / mean[y]))

        return observe


def gamma(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Positive numbers: ``gamma(diagnosis=Label("a", "b"), wait=Positive("days", high=90))``."""
    return independent(prevalence=prevalence, **bind(Gamma, declared, typical or {}))
