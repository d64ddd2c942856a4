"""An angle and a number that depends on it, given the class.

regression       alpha ~ vM(mu_k, kappa_k), x | alpha ~ N(b0_k + b1_k cos alpha + b2_k sin alpha, v_k)
                 b_k | v_k ~ N(0, v_k / lambda0) after centring x, v_k around a shared scale (`exact.shared_scale`); exact
fisher-lee       `distributions.FisherLee`, one site of both: the number turns the mean direction
mardia-sutton    `distributions.MardiaSutton`, one site of both
abe-ley          `distributions.AbeLey`, for a positive x

All four are densities of the same two measurements, so choose among them by leave-one-out predictive density, not by fit
(docs/methods.md §2): ``arviz.compare({form: fit(angle_linear(form=form, ...), cases).to_arviz() for form in forms})``; the differences
within a few standard errors say nothing, and the regression is exact and the fastest. Far from the wrap it and a Gaussian
nearly coincide. Fisher-Lee has several modes where the angles spread widely: every engine starts from several points, and a
fit whose starts disagree says so in ``problems``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..errors import InputError
from ..features import Angle, Column, Feature, Label, Scalar, Vector
from ..model import CasePlate
from .exact import Coefficients, Factor, Product, RegressionFactor
from .exact.shared_scale import SPREAD_FLOOR
from .independent import Family, independent, the_label
from .law import Law, Typical, bounds, place, typical_of
from .von_mises import VonMises

Form = Literal["regression", "fisher-lee", "mardia-sutton", "abe-ley"]


@dataclass(frozen=True)
class OnAngle(Law):
    """The law of a number that depends on an angle, given the class; it holds the sites of both.

    ``x | alpha, y = k ~ N(b0_k + b1_k cos alpha + b2_k sin alpha, v_k)``. The sites of the angle are those of
    `VonMises`. Those of the number are ``<name>_coefficients`` (classes, 3), ``<name>_scale_tril`` (classes, 1, 1), the
    standard deviation about the line, and ``<name>_spread`` (1,), of the classes together; all in the model's unit.

    Args:
        feature: The number.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.
        angle: The law of the angle, with its name: ``VonMises(Angle(...)).with_name("alpha")``.
        precision: Prior precision of the coefficients in units of 1 / variance.

    Raises:
        InputError: For a feature that is no number, a typical SD that is not above 0, or an angle that is missing or
            without a name.

    Examples:
        >>> alpha = VonMises(Angle("deg", low=20, high=90)).with_name("alpha")
        >>> model = independent(y=Label("a", "b"), x=OnAngle(Real(), angle=alpha))
        >>> sorted(model.features)
        ['alpha', 'x']
    """

    angle: VonMises | None = None
    precision: float = 0.1

    @property
    def features(self) -> Mapping[str, Feature]:
        return {**self._turn().features, self.name: self.feature}

    def _turn(self) -> VonMises:
        if self.angle is None or not self.angle.name:
            raise InputError(
                f"OnAngle '{self.name}': expected angle=VonMises(Angle(...)).with_name('...')"
            )
        return self.angle

    def tune(self, columns: Mapping[str, Column]) -> Self:
        return replace(super().tune(columns), angle=self._turn().tune(columns))

    def prior(self) -> Coefficients:
        """Prior of the coefficients, in the model's unit."""
        center, spread = self.place()
        mean = torch.tensor([center, 0.0, 0.0], dtype=torch.float64)
        return Coefficients(mean, torch.full((3,), self.precision, dtype=torch.float64), spread)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        prior, k = self.prior(), len(cases.classes)
        turn = self._turn().parameters(cases)
        unit = torch.tensor([prior.unit], dtype=torch.float64)
        spread = pyro.sample(f"{self.name}_spread", laws.SharedSpread(unit, k, floor=SPREAD_FLOOR))
        shared = laws.SharedCovariances(
            spread, unit, torch.ones(k, dtype=unit.dtype), floor=SPREAD_FLOOR
        )
        sd = pyro.sample(f"{self.name}_scale_tril", shared)[..., 0]
        rows = dist.Normal(prior.mean.expand(k, 3), sd / prior.precision.sqrt()).to_event(2)
        b = pyro.sample(f"{self.name}_coefficients", rows)

        def observe(y: Tensor) -> Tensor:
            alpha = turn(y)
            mean = b[y, 0] + b[y, 1] * torch.cos(alpha) + b[y, 2] * torch.sin(alpha)
            return pyro.sample(self.name, dist.Normal(mean, sd[y, 0]))

        return observe

    def factor(
        self, columns: Mapping[str, Column], labels: Tensor, classes: int, seed: int
    ) -> Factor:
        turn = self._turn()
        line = RegressionFactor.fit(turn.name, self.name, columns, labels, classes, self.prior())
        return Product((turn.factor(columns, labels, classes, seed), line))


@dataclass(frozen=True)
class Cylinder(Law):
    """A `Vector` of an angle and a number as one site: Fisher-Lee, Mardia-Sutton or Abe-Ley.

    Sites ``<name>_direction``, ``_concentration``, and ``_loc``, ``_scale``, ``_turn`` (Fisher-Lee), ``_loc``, ``_scale``,
    ``_pull`` (Mardia-Sutton: _pull (classes, 2) is mapped into the unit disc) or ``_shape``, ``_rate``, ``_skewness`` (Abe-Ley).
    """

    form: Form = "mardia-sutton"
    components: Mapping[str, Typical] | None = None

    accepts = (Vector,)

    def tune(self, columns: Mapping[str, Column]) -> Self:
        column, typical = columns[self.name], dict(self.components or {})
        for i, (name, part) in enumerate(self.feature.components.items()):  # type: ignore[attr-defined]
            if name not in typical and bounds(part) is None:
                alone = Column(column.values[:, i], column.observed[:, i])
                typical[name] = typical_of(name, part, alone)
        return replace(self, components=typical)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, n, typical = len(cases.classes), self.name, self.components or {}
        parts = self.feature.components  # type: ignore[attr-defined]
        (at, wide), (center, spread) = (place(c, p, typical.get(c)) for c, p in parts.items())

        def each(site: str, law: Any) -> Tensor:
            return pyro.sample(f"{n}_{site}", law.expand([k]).to_event(1))

        direction = each("direction", laws.VonMises(torch.tensor(at), torch.tensor(0.25 / wide**2)))
        size = -2 * math.log(0.7 * wide)
        if self.form != "abe-ley":
            kappa = each("concentration", dist.LogNormal(size, 1.0))
            loc = each("loc", dist.Normal(center, 2 * spread))
            scale = each("scale", dist.LogNormal(math.log(0.7 * spread), 0.6))
        if self.form == "fisher-lee":
            # 2 b is the turn in radians per spread of the number at its mean, of the order of the angle's own spread.
            turn = each("turn", dist.Normal(0.0, min(wide, 1.0)))

            def observe_turned(y: Tensor) -> Tensor:
                law = laws.FisherLee(direction[y], kappa[y], loc[y], scale[y], turn[y])
                return pyro.sample(n, law)

            return observe_turned
        if self.form == "mardia-sutton":
            pull = pyro.sample(f"{n}_pull", dist.Normal(0.0, 0.7).expand([k, 2]).to_event(2))
            inside = pull / torch.sqrt(1 + (pull**2).sum(-1, keepdim=True))

            def observe(y: Tensor) -> Tensor:
                law = laws.MardiaSutton(direction[y], kappa[y], loc[y], scale[y], inside[y])
                return pyro.sample(n, law)

            return observe
        kappa = each("concentration", dist.LogNormal(0.0, 1.0))
        shape = each("shape", dist.LogNormal(math.log(max(center / spread, 1.0)), 0.6))
        rate = each("rate", dist.LogNormal(-math.log(center), 0.7))
        skewness = each("skewness", dist.Normal(0.0, 0.7))

        def observe_positive(y: Tensor) -> Tensor:
            law = laws.AbeLey(shape[y], rate[y], direction[y], kappa[y], torch.tanh(skewness[y]))
            return pyro.sample(n, law)

        return observe_positive


def angle_linear(
    *,
    form: Form = "regression",
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """An angle and a number that depends on it, given the class.

    The two features may come in any order. The three joint forms make them one `Vector` called ``measured``.

    Args:
        form: ``regression`` (exact and the fastest), ``fisher-lee``, ``mardia-sutton``, or ``abe-ley`` for a positive
            number.
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`, one `Angle` and one number.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: For other arguments than these three, another form, or a prevalence that is not one positive number
            a class, with sum 1.

    Examples:
        >>> declared = {"y": Label("a", "b"), "alpha": Angle("deg", low=20, high=90), "x": Real()}
        >>> sorted(angle_linear(**declared).features)
        ['alpha', 'x']
        >>> sorted(angle_linear(form="mardia-sutton", **declared).features)
        ['measured']
    """
    typical = dict(typical or {})
    label_name, label = the_label(declared)
    angles = {n: what for n, what in declared.items() if isinstance(what, Angle)}
    numbers = {
        n: what
        for n, what in declared.items()
        if isinstance(what, Scalar) and not isinstance(what, Angle)
    }
    if len(angles) != 1 or len(numbers) != 1 or len(declared) != 3:
        raise InputError(
            f"angle_linear: got {', '.join(declared)}; expected a Label, one Angle and one number"
        )
    ((angle, turn),), ((number, line),) = angles.items(), numbers.items()
    pieces: dict[str, Any] = {label_name: label}
    if form == "regression":
        around = VonMises(turn, typical.get(angle)).with_name(angle)
        pieces[number] = OnAngle(line, typical.get(number), angle=around)
    elif form in ("fisher-lee", "mardia-sutton", "abe-ley"):
        pieces["measured"] = Cylinder(
            Vector(**{angle: turn, number: line}), form=form, components=typical
        )
    else:
        raise InputError(
            f"angle_linear: got form='{form}', expected regression, fisher-lee, mardia-sutton or abe-ley"
        )
    return independent(prevalence=prevalence, **pieces)
