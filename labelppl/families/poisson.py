"""Poisson count given the class: z | y = k ~ Poisson(r_k), log r_k ~ N(log-scale pooled location, 2 spreads)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyro.distributions as dist
from torch import Tensor

from ..features import Count, Feature, Label
from ..model import CasePlate
from .independent import Family, independent
from .law import Law, Typical, bind
from .log_normal import log_place


@dataclass(frozen=True)
class Poisson(Law):
    """The Poisson law of a count given the class.

    The site is ``<name>_rate`` (classes,), the mean count of a case.

    Args:
        feature: A `Count`.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> lesions = Poisson(Count(), typical=(3, 3))
        >>> sorted(independent(diagnosis=Label("a", "b"), lesions=lesions).features)
        ['lesions']
    """

    accepts = (Count,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        m, s = log_place(self)
        rate = self.by_class("rate", dist.LogNormal(m, 2 * s), cases)
        return self.observe(lambda y: dist.Poisson(rate[y]))


def poisson(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Counts that are Poisson and independent given the class: ``z | y = k ~ Poisson(r_k)``.

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Count` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are counts; for a typical size of a column that is not
            declared; for a prevalence that is not one positive number a class, with sum 1.

    Examples:
        >>> model = poisson(diagnosis=Label("a", "b"), lesions=Count(), typical={"lesions": (3, 3)})
        >>> sorted(model.features)
        ['lesions']
    """
    return independent(prevalence=prevalence, **bind(Poisson, declared, typical or {}))
