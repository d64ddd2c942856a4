"""A ratio given the class, by what the ratio is made of (docs/methods.md §2).

Beta          a share of gamma lengths with one rate:  mean m_k, size s_k, Beta(m s, (1 - m) s)
LogitNormal   a share of log-normal lengths; digitised, rounded ratios: logit c ~ N(mu_k, sigma_k)
LibbyNovick   a share of gamma lengths with unequal rates: Beta's a, b and a ratio of rates, common to the classes
Hinkley       X / Y of normal lengths, which may exceed 1 (a numerator segmented too large): X ~ N(m_k, s_k),
              Y ~ N(1, v_k), so that m is the ratio and v the denominator's coefficient of variation

Priors: the class means about as wide as the pooled spread says, sizes log-normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..errors import InputError
from ..features import Feature, Label, Ratio, Real, Scalar
from ..model import CasePlate
from .exact.scales import Scale
from .gaussian import Gaussian
from .independent import Family, independent
from .law import LOG_SD, Law, Typical, bind


def _share(evidence: Law) -> tuple[float, float]:
    """Center and spread of a share on the logit scale."""
    center, spread = evidence.place()
    if not 0 < center < 1:
        raise InputError(
            f"feature '{evidence.name}': typical center {center:g} is not a share; expected inside 0 to 1"
        )
    return math.log(center / (1 - center)), spread / (center * (1 - center))


def _beta_parameters(evidence: Law, cases: CasePlate) -> tuple[Tensor, Tensor]:
    """a and b (classes,) of a beta law, sampled as its mean m and its size s: a = m s, b = (1 - m) s."""
    center, spread = _share(evidence)
    c = 1 / (1 + math.exp(-center))
    size = max(c * (1 - c) / (0.7 * spread * c * (1 - c)) ** 2 - 1, 1.0)
    prior = laws.LogitNormal(torch.tensor(center), torch.tensor(2 * spread))
    mean = evidence.by_class("mean", prior, cases)
    total = evidence.by_class("size", dist.LogNormal(math.log(size), 2 * LOG_SD), cases)
    return mean * total, (1 - mean) * total


@dataclass(frozen=True)
class Beta(Law):
    """The beta law of a ratio given the class, by its mean and size: a share of gamma lengths with one rate.

    ``z | y = k ~ Beta(m_k s_k, (1 - m_k) s_k)``. The sites are ``<name>_mean`` (classes,), between 0 and 1, and
    ``<name>_size`` (classes,), the sum of Beta's parameters.

    Args:
        feature: A `Ratio`, or a `Real` whose values lie between 0 and 1.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> coverage = Beta(Ratio("%"))
        >>> sorted(independent(diagnosis=Label("a", "b"), coverage=coverage).features)
        ['coverage']
    """

    accepts = (Ratio, Real)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        a, b = _beta_parameters(self, cases)
        return self.observe(lambda y: laws.Beta(a[y], b[y]))


@dataclass(frozen=True)
class LogitNormal(Gaussian):
    """The logit-normal law of a ratio given the class: a `Gaussian` of the log-odds, with its sites.

    Args:
        feature: A `Ratio`, or a `Real` whose values lie between 0 and 1.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the table.
        name: The column; `with_name` sets it.
        components: Not used; the feature is one number.
        scale: ``logit``.
        niw: A normal-inverse-Wishart prior of your own, the same for every class, of the log-odds.
        standard: (center, spread) of the log-odds; set by the table.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> LogitNormal(Ratio("%")).scale
        'logit'
    """

    scale: Scale = "logit"

    accepts: ClassVar[tuple[type[Feature], ...]] = (Ratio, Real)


@dataclass(frozen=True)
class LibbyNovick(Law):
    """The Libby-Novick law of a ratio given the class: a share of gamma lengths with unequal rates.

    The sites are ``<name>_mean`` and ``<name>_size`` (classes,), as for `Beta` at equal rates, and
    ``<name>_rate_ratio`` (), of all classes.

    Args:
        feature: A `Ratio`, or a `Real` whose values lie between 0 and 1.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> coverage = LibbyNovick(Ratio("%"))
        >>> sorted(independent(diagnosis=Label("a", "b"), coverage=coverage).features)
        ['coverage']
    """

    accepts = (Ratio, Real)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        a, b = _beta_parameters(self, cases)
        ratio = pyro.sample(f"{self.name}_rate_ratio", dist.LogNormal(0.0, 0.5))
        return self.observe(lambda y: laws.LibbyNovick(a[y], b[y], ratio))


@dataclass(frozen=True)
class Hinkley(Law):
    """The law of a ratio X / Y of two normal lengths given the class; the ratio may exceed 1.

    ``X ~ N(m_k, s_k)``, ``Y ~ N(1, v_k)``. The sites are ``<name>_mean`` (classes,), the ratio, ``<name>_scale``
    (classes,) of the numerator and ``<name>_variation`` (classes,), the denominator's coefficient of variation.

    Args:
        feature: A number.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> coverage = Hinkley(Real(), typical=(0.6, 0.2))
        >>> sorted(independent(diagnosis=Label("a", "b"), coverage=coverage).features)
        ['coverage']
    """

    accepts = (Scalar,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        center, spread = self.place()
        mean = self.by_class("mean", dist.Normal(center, 2 * spread), cases)
        scale = self.by_class("scale", dist.LogNormal(math.log(0.5 * spread), LOG_SD), cases)
        share = 0.5 * spread / max(abs(center), spread)
        variation = self.by_class("variation", dist.LogNormal(math.log(share), LOG_SD), cases)

        def law(y: Tensor) -> laws.RatioOfNormals:
            one = torch.ones_like(mean[y])
            return laws.RatioOfNormals(mean[y], one, scale[y], variation[y], torch.zeros_like(one))

        return self.observe(law)


Kind = Literal["beta", "logit-normal", "libby-novick", "hinkley"]
_KINDS: dict[str, type[Law]] = {
    "beta": Beta,
    "logit-normal": LogitNormal,
    "libby-novick": LibbyNovick,
    "hinkley": Hinkley,
}


def ratio(
    *,
    kind: Kind = "logit-normal",
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Ratios that are independent given the class, by what the ratio is made of.

    Args:
        kind: ``logit-normal`` (`LogitNormal`), ``beta`` (`Beta`), ``libby-novick`` (`LibbyNovick`) or ``hinkley``
            (`Hinkley`).
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Ratio` or `Real` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: For another kind; unless one argument is a Label and the others are ratios; for a typical size of a
            column that is not declared; for a prevalence that is not one positive number a class, with sum 1.

    Examples:
        >>> model = ratio(kind="beta", diagnosis=Label("a", "b"), coverage=Ratio("%"))
        >>> sorted(model.features)
        ['coverage']
    """
    if kind not in _KINDS:
        raise InputError(f"ratio: got kind='{kind}', expected {', '.join(_KINDS)}")
    return independent(prevalence=prevalence, **bind(_KINDS[kind], declared, typical or {}))
