"""Von Mises angle given the class, in the kind the feature declares (docs/methods.md §2).

    alpha | y = k ~ vM(mu_k, kappa_k)        circular, bounded to one arc, or axial (the column is doubled at the door)
    alpha | y = k ~ vM truncated to [0, pi]  halfcircle
    mu_k ~ vM(center, 1 / (2 spread)^2),  log kappa_k ~ N(-2 log(.7 spread), 2.4)

The prior of kappa is that of a within-class standard deviation around .7 of the pooled one, within a factor
of about seven. Without `typical` and bounds the direction's prior is flat and kappa's is centred on 2. The
circular posterior is exact up to one quadrature; the truncated one is not conjugate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..errors import InputError
from ..features import Angle, Column, Feature, Label
from ..model import CasePlate
from .exact import Factor, VonMisesFactor, VonMisesPrior
from .independent import Family, independent
from .law import LOG_SD, Law, Typical, bind, bounds


@dataclass(frozen=True)
class VonMises(Law):
    """The von Mises law of an angle given the class, for an `Angle` of any kind.

    The sites are ``<name>_mean`` (classes,), in radians (doubled where the angle is axial), and
    ``<name>_concentration`` (classes,): the larger, the narrower.

    Args:
        feature: An `Angle`.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> alpha = VonMises(Angle("deg", low=20, high=90))
        >>> sorted(independent(diagnosis=Label("a", "b"), alpha=alpha).features)
        ['alpha']
    """

    accepts = (Angle,)

    def prior(self) -> VonMisesPrior:
        """Prior of direction and concentration, in the model's radians."""
        assert isinstance(self.feature, Angle)
        if self.typical is None and bounds(self.feature) is None:
            center, certainty, log_kappa = 0.0, 1e-6, math.log(2.0)
        else:
            center, spread = self.place()
            certainty, log_kappa = 1 / (2 * spread) ** 2, -2 * math.log(0.7 * spread)
        at = torch.tensor([log_kappa, 2 * LOG_SD], dtype=torch.float64)
        return VonMisesPrior(center, certainty, torch.distributions.LogNormal(at[0], at[1]))

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        prior = self.prior()
        assert isinstance(self.feature, Angle)
        law: Any = laws.VonMises
        if self.feature.kind == "halfcircle":
            law = laws.HalfCircleVonMises
        direction = law(torch.tensor(prior.direction), torch.tensor(prior.certainty))
        mean = self.by_class("mean", direction, cases)
        size = dist.LogNormal(prior.concentration.loc, prior.concentration.scale)
        kappa = self.by_class("concentration", size, cases)
        return self.observe(lambda y: law(mean[y], kappa[y]))

    def factor(
        self, columns: Mapping[str, Column], labels: Tensor, classes: int, seed: int
    ) -> Factor:
        assert isinstance(self.feature, Angle)
        if self.feature.kind == "halfcircle":
            raise InputError(
                f"feature '{self.name}': the truncated von Mises has no closed form; use --engine laplace"
            )
        made = VonMisesFactor.fit(self.name, columns[self.name], labels, classes, self.prior())
        return replace(
            made, mean_site=f"{self.name}_mean", concentration_site=f"{self.name}_concentration"
        )


def von_mises(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Angles that are independent given the class: ``alpha | y = k ~ vM(mu_k, kappa_k)``.

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Angle` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are angles; for a typical size of a column that is not
            declared; for a prevalence that is not one positive number a class, with sum 1.

    Examples:
        >>> model = von_mises(diagnosis=Label("a", "b"), alpha=Angle("deg", low=20, high=90))
        >>> sorted(model.features)
        ['alpha']
    """
    return independent(prevalence=prevalence, **bind(VonMises, declared, typical or {}))
