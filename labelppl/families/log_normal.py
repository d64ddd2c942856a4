"""Log-normal positive number given the class.

log z | y = k ~ N(mu_k, sigma_k), with the priors of `gaussian` for the logarithm
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..errors import InputError
from ..features import Feature, Label, Positive, Real
from .exact.gaussian import Scale
from .gaussian import Gaussian
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
class LogNormal(Gaussian):
    """A positive number: a `Gaussian` of the logarithm, with its sites."""

    scale: Scale = "log"

    accepts: ClassVar[tuple[type[Feature], ...]] = (Positive, Real)


def log_normal(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Positive numbers: ``log_normal(diagnosis=Label("a", "b"), volume=Positive("ml", high=400))``."""
    return independent(prevalence=prevalence, **bind(LogNormal, declared, typical or {}))
