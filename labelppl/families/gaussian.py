"""Class-conditional Gaussian with full covariance, the paper's label model (Vega et al. 2021, Eq. 6).

    z | y = k ~ N(mu_k, Sigma_k),   mu_k | Sigma_k ~ N(center, Sigma_k / kappa0),   kappa0 = .3
    Sigma_k around a scale that the classes share, as close to it as the cases say (`exact.shared_scale`)

so that a narrow class stays narrow beside a wide one, and classes that look alike lend each other their cases. The
posterior predictive is a mixture of multivariate t laws, which, unlike plugged-in estimates, is not overconfident at 5 to
50 cases a class. ``scale="log"`` and ``"logit"`` are the same for the logarithms of positive numbers and the log-odds of
ratios; several ratios of one case then keep their correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..errors import InputError
from ..features import Angle, Column, Feature, Label, Scalar, Vector
from ..model import CasePlate
from .exact import NIW, Factor, GaussianFactor, Standard
from .exact.scales import Scale, matrix, to_scale
from .exact.shared_scale import SPREAD_FLOOR
from .independent import Family, independent
from .law import Law, Typical, place, typical_of


@dataclass(frozen=True)
class Gaussian(Law):
    """A `Vector` with full covariance, or one number. Sites ``<name>_mean``, ``<name>_scale_tril``, ``<name>_spread`` and, of
    a Vector, ``<name>_size``.

    Args:
        feature: A number, or a `Vector` of numbers.
        typical: (mean, SD over all cases) of one number, in the column's unit; otherwise it is taken from the table.
        components: The same for a Vector, by component.
        scale: ``plain``, ``log`` (positive numbers) or ``logit`` (ratios).
        niw: A normal-inverse-Wishart prior of your own, the same for every class, in the model's unit and scale.
        standard: (center, spread) of each number in the model's unit and scale; set by the table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a scale that a number cannot have.

    Examples:
        >>> from labelppl.families import Gaussian, independent
        >>> from labelppl.features import Label, Ratio, Vector
        >>> cups = Gaussian(Vector(vertical=Ratio(), horizontal=Ratio()), scale="logit")
        >>> independent(diagnosis=Label("normal", "suspect"), cup_to_disc=cups).name
        'independent'
    """

    components: Mapping[str, Typical] | None = None
    scale: Scale = "plain"
    niw: NIW | None = None
    standard: tuple[tuple[float, float], ...] | None = None

    accepts: ClassVar[tuple[type[Feature], ...]] = (Scalar, Vector)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale not in ("plain", "log", "logit"):
            raise InputError(f"Gaussian: got scale='{self.scale}', expected plain, log or logit")
        for name, part in self._parts().items():
            if self.scale != "plain" and isinstance(part, Angle):
                raise InputError(
                    f"Gaussian: '{name}' is an Angle, expected a number that has a {self.scale}"
                )

    def _parts(self) -> Mapping[str, Scalar]:
        """The numbers by name."""
        if isinstance(self.feature, Vector):
            return self.feature.components
        assert isinstance(self.feature, Scalar)
        return {self.name or "the feature": self.feature}

    def _declarations(self) -> Mapping[str, Typical]:
        """What the expert said of the numbers, by name."""
        if isinstance(self.feature, Vector):
            return self.components or {}
        return {} if self.typical is None else {self.name: self.typical}

    def tune(self, columns: Mapping[str, Column]) -> Self:
        """The same in units of the table, of which the expert's own word and then the bounds take the place."""
        if self.niw is not None or self.standard is not None:
            return self
        values, observed = matrix(columns[self.name])
        moved, _ = to_scale(values.double(), observed, self.scale)
        bad = (observed & ~torch.isfinite(moved)).any(-1).nonzero()
        if len(bad):
            row = int(bad[0])
            raise InputError(
                f"feature '{self.name}', row {row + 1}: got {values[row].tolist()}, which has no {self.scale}; expected "
                f"{'numbers above 0' if self.scale == 'log' else 'numbers between 0 and 1'}"
            )
        standard = []
        for i, (name, part) in enumerate(self._parts().items()):
            seen = moved[:, i][observed[:, i]]
            told = self._declarations().get(name)
            varied = len(seen) > 1 and float(seen.std()) > 0
            if told is None and varied and isinstance(part, Angle):
                told = typical_of(name, part, Column(values[:, i], observed[:, i]))
            if told is None and varied:
                standard.append((float(seen.mean()), float(seen.std())))
            else:
                standard.append(self._place(name, part, told))
        return replace(self, standard=tuple(standard))

    def _place(self, name: str, part: Scalar, told: Typical | None) -> tuple[float, float]:
        """Center and spread on the scale, from the expert's word or the bounds."""
        center, spread = place(name, part, told)
        if self.scale == "plain":
            return center, spread
        at = torch.tensor([[center]], dtype=torch.float64)
        if not center > 0 or (self.scale == "logit" and not center < 1):
            raise InputError(
                f"feature '{name}': typical mean {center:g} has no {self.scale}; give typical=(mean, SD)"
            )
        moved, log_slope = to_scale(at, torch.ones_like(at, dtype=torch.bool), self.scale)
        return float(moved), spread / float(torch.exp(log_slope))

    def prior(self) -> NIW | Standard:
        """The prior in the model's unit and scale."""
        if self.niw is not None:
            return self.niw
        told = self._declarations()
        standard = self.standard or [
            self._place(name, part, told.get(name)) for name, part in self._parts().items()
        ]
        center, spread = torch.tensor(standard, dtype=torch.float64).T
        return Standard(center, spread)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes, n = len(cases.classes), self.name
        prior = self.prior()
        if isinstance(prior, NIW):
            center, kappa = prior.mean, prior.kappa
            law = laws.InverseWishartCholesky(prior.nu, torch.linalg.cholesky(prior.scale))
            tril = pyro.sample(f"{n}_scale_tril", law.expand([classes]).to_event(1))
        else:
            center, kappa = prior.center, prior.kappa
            law = laws.SharedSpread(prior.spread, classes, floor=SPREAD_FLOOR)
            spread = pyro.sample(f"{n}_spread", law)
            size = torch.ones(classes, dtype=prior.spread.dtype)
            if len(center) > 1:
                sizes = laws.SharedSizes(spread, prior.spread, classes, floor=SPREAD_FLOOR)
                size = pyro.sample(f"{n}_size", sizes)
            shared = laws.SharedCovariances(spread, prior.spread, size, floor=SPREAD_FLOOR)
            tril = pyro.sample(f"{n}_scale_tril", shared)
        means = dist.MultivariateNormal(
            center.expand(classes, len(center)), scale_tril=tril / kappa**0.5
        )
        mean = pyro.sample(f"{n}_mean", means.to_event(1))
        several = isinstance(self.feature, Vector)

        def observe(y: Tensor) -> Tensor:
            if several:
                return pyro.sample(n, SEVERAL[self.scale](mean[y], scale_tril=tril[y]))
            return pyro.sample(n, ONE[self.scale](mean[y, 0], tril[y, 0, 0]))

        return observe

    def axes(self) -> dict[str, tuple[str, ...]]:
        """Class, then the component twice of a covariance root."""
        one, two = f"{self.name}_component", f"{self.name}_component_2"
        return {
            f"{self.name}_mean": ("class", one),
            f"{self.name}_scale_tril": ("class", one, two),
            f"{self.name}_spread": (one,),
            f"{self.name}_size": ("class",),
        }

    def units(self) -> dict[str, str]:
        """The mean is in the unit of the numbers; of their logarithms or log-odds it has none."""
        return super().units() if self.scale == "plain" else {}

    def factor(
        self, columns: Mapping[str, Column], labels: Tensor, classes: int, seed: int
    ) -> Factor:
        return GaussianFactor.fit(
            self.name, columns[self.name], labels, classes, self.prior(), seed, self.scale
        )


#: The law of several numbers and of one, by scale.
SEVERAL: Mapping[str, Any] = {
    "plain": dist.MultivariateNormal,
    "log": laws.MultivariateLogNormal,
    "logit": laws.MultivariateLogitNormal,
}
ONE: Mapping[str, Any] = {
    "plain": dist.Normal,
    "log": laws.LogNormal,
    "logit": laws.LogitNormal,
}


def gaussian(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    scale: Scale = "plain",
    **declared: Label | Feature,
) -> Family:
    """The paper's label model in one line; several numbers become one `Vector` called ``measured``.

    Args:
        typical: (mean, SD over all cases) by column, in the column's unit, where the table shall not say it.
        prevalence: p(Y) by class where it is fixed by design.
        scale: ``plain``, ``log`` or ``logit``, of all numbers.
        **declared: One `Label`; numbers, or Vectors, which keep their names.

    Returns:
        The label model.

    Raises:
        InputError: For a feature that is no number, or a typical size of none.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.features import Label, Real
        >>> list(gaussian(diagnosis=Label("a", "b"), x=Real(), y=Real()).features)
        ['measured']
    """
    family_laws: dict[str, Any] = {}
    loose: dict[str, Scalar] = {}
    typical = dict(typical or {})
    columns: set[str] = set()
    for name, what in declared.items():
        if isinstance(what, Vector):
            family_laws[name] = Gaussian(what, components=typical, scale=scale)
            columns |= set(what.components)
        elif isinstance(what, Scalar):
            loose[name] = what
        elif isinstance(what, Label):
            family_laws[name] = what
        else:
            raise InputError(
                f"gaussian: '{name}' is {what!r}, expected a Label, numbers or a Vector"
            )
    unknown = set(typical) - columns - set(loose)
    if unknown:
        raise InputError(f"typical: got '{min(unknown)}', which is not a declared column")
    if len(loose) == 1:
        ((name, only),) = loose.items()
        family_laws[name] = Gaussian(only, typical.get(name), scale=scale)
    elif loose:
        family_laws["measured"] = Gaussian(Vector(**loose), components=typical, scale=scale)
    return independent(prevalence=prevalence, **family_laws)
