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
from .exact.scales import Scale
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
    """The log-normal law of a positive number given the class: a `Gaussian` of the logarithm, with its sites.

    Args:
        feature: A `Positive`, or a `Real` whose values are above 0.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the table.
        name: The column; `with_name` sets it.
        components: Not used; the feature is one number.
        scale: ``log``.
        niw: A normal-inverse-Wishart prior of your own, the same for every class, of the logarithm.
        standard: (center, spread) of the logarithm; set by the table.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> LogNormal(Positive("ml", high=400)).scale
        'log'
    """

    scale: Scale = "log"

    accepts: ClassVar[tuple[type[Feature], ...]] = (Positive, Real)


def log_normal(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Positive numbers that are log-normal and independent given the class: ``log z | y = k ~ N(mu_k, sigma_k)``.

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from the table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Positive` or `Real` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are positive numbers; for a typical size of a column
            that is not declared; for a prevalence that is not one positive number a class, with sum 1.

    Examples:
        >>> model = log_normal(diagnosis=Label("a", "b"), volume=Positive("ml", high=400))
        >>> sorted(model.features)
        ['volume']
    """
    return independent(prevalence=prevalence, **bind(LogNormal, declared, typical or {}))
