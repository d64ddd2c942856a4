"""Negative binomial count given the class: a Poisson whose rate varies between cases.

    z | y = k ~ Poisson(g), g ~ Gamma(r_k, rate r_k / m_k): mean m_k, variance m_k + m_k^2 / r_k
    log m_k ~ N(pooled log-scale location, 2 spreads),  log r_k ~ N(log 2, 1)

In torch's terms `total_count` is r and `probs` is m / (m + r); Pyro's GammaPoisson is used instead.
"""

from __future__ import annotations

import math
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
class NegativeBinomial(Law):
    """The negative binomial law of a count given the class: a Poisson whose rate varies between cases.

    The sites are ``<name>_mean`` (classes,), the mean count, and ``<name>_size`` (classes,): the smaller, the more the
    rates vary.

    Args:
        feature: A `Count`.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> lesions = NegativeBinomial(Count(high=40))
        >>> sorted(independent(diagnosis=Label("a", "b"), lesions=lesions).features)
        ['lesions']
    """

    accepts = (Count,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        m, s = log_place(self)
        mean = self.by_class("mean", dist.LogNormal(m, 2 * s), cases)
        size = self.by_class("size", dist.LogNormal(math.log(2.0), 1.0), cases)
        return self.observe(lambda y: dist.GammaPoisson(size[y], size[y] / mean[y]))


def negative_binomial(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Counts that vary more than a Poisson, independent given the class.

    ``z | y = k`` has the mean m_k and the variance m_k + m_k^2 / r_k.

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
        >>> model = negative_binomial(diagnosis=Label("a", "b"), lesions=Count(high=40))
        >>> sorted(model.features)
        ['lesions']
    """
    return independent(prevalence=prevalence, **bind(NegativeBinomial, declared, typical or {}))
