"""Log-normal positive number given the class.

    log z | y = k ~ N(mu_k, sigma_k),  mu_k ~ N(m, 2 s),  log sigma_k ~ N(log(.7 s), .6)

with m and s the log-scale location and spread that match the pooled mean and standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
from torch import Tensor

from .. import distributions as laws
from ..errors import InputError
from ..features import Feature, Label, Positive, Real
from ..model import CasePlate
from .independent import Family, independent
from .law import Law, Typical, bind


def log_place(evidence: Law) -> tuple[float, float]:
    """Location and spread on the log scale of a positive measurement."""
    center, spread = evidence.place()
    if center <= 0:
        raise InputError(
            f"feature '{evidence.name}': typical mean {center:g}, expected above 0 for a positive law"
        )
    variance = math.log1p((spread / center) ** 2)
    return math.log(center) - variance / 2, math.sqrt(variance)


@dataclass(frozen=True)
class LogNormal(Law):
    """A positive number. Sites ``<name>_mean`` and ``<name>_scale``, both of the logarithm."""

    accepts = (Positive, Real)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        m, s = log_place(self)
        mean = pyro.sample(f"{self.name}_mean", dist.Normal(m, 2 * s).expand([classes]).to_event(1))
        scales = dist.LogNormal(math.log(0.7 * s), 0.6).expand([classes]).to_event(1)
        scale = pyro.sample(f"{self.name}_scale", scales)

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, laws.LogNormal(mean[y], scale[y]))

        return observe


def log_normal(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Positive numbers: ``log_normal(diagnosis=Label("a", "b"), volume=Positive("ml", high=400))``."""
    return independent(prevalence=prevalence, **bind(LogNormal, declared, typical or {}))
