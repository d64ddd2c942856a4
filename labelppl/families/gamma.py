"""Gamma positive number given the class, by mean and shape.

    z | y = k ~ Gamma(shape a_k, rate a_k / m_k),  log m_k ~ N(m, 2 s),  log a_k ~ N(-2 log(.7 s), 2.4)

with m and s the log-scale location and spread of the pooled measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    """The gamma law of a positive number given the class, by its mean and shape.

    The sites are ``<name>_mean`` (classes,), in the model's unit, and ``<name>_shape`` (classes,).

    Args:
        feature: A `Positive`, or a `Real` whose values are above 0.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> wait = Gamma(Positive("days", high=90))
        >>> sorted(independent(diagnosis=Label("a", "b"), wait=wait).features)
        ['wait']
    """

    accepts = (Positive, Real)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        m, s = log_place(self)
        mean = self.by_class("mean", dist.LogNormal(m, 2 * s), cases)
        shapes = dist.LogNormal(-2 * math.log(0.7 * s), 2 * LOG_SD)
        shape = self.by_class("shape", shapes, cases)
        return self.observe(lambda y: laws.Gamma(shape[y], shape[y] / mean[y]))


def gamma(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Positive numbers that are gamma and independent given the class: ``z | y = k ~ Gamma(a_k, rate a_k / m_k)``.

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Positive` or `Real` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are positive numbers; for a typical size of a column
            that is not declared; for a prevalence that is not one positive number a class, with sum 1.

    Examples:
        >>> model = gamma(diagnosis=Label("a", "b"), wait=Positive("days", high=90))
        >>> sorted(model.features)
        ['wait']
    """
    return independent(prevalence=prevalence, **bind(Gamma, declared, typical or {}))
