"""A measurement's law given the class, with a prior: the piece that families are made of.

An `Law` owns one site (rarely two) inside ``with cases:``. It is used in two ways:

* in a one-line family, ``independent(diagnosis=Label(...), alpha=VonMises(Angle("deg", low=20, high=90)))``;
* inside a hand-written Pyro function, ``alpha = VonMises(...).with_name("alpha").parameters(cases)`` outside
  the cases, then ``alpha(y)`` inside, which samples the site named ``alpha``.

Priors need a rough idea of what the measurement looks like over all cases: `typical=(center, spread)` in
the column's unit, say ``(60, 8)`` degrees. Where it is not given it is the middle and a quarter of the
declared bounds; without bounds it must be given, or taken from the table by `tune`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import pyro
import torch
from torch import Tensor

from ..arrays import Ints
from ..errors import InputError
from ..features import Angle, Column, Feature, Scalar
from ..model import CasePlate, SiteSampler
from .exact import Factor

Typical = tuple[float, float]

#: What laws call a parameter that has one value for each class.
PARTS_BY_CLASS = (
    "mean",
    "scale",
    "shape",
    "size",
    "variation",
    "concentration",
    "probs",
    "coefficients",
    "scale_tril",
)

#: SD of the log of a class's own spread about .7 of that of all cases, where classes share no scale: nine times in ten between
#: an eighth of it and one and a half times, so that one class may be ten times as wide as another.
LOG_SD = 1.2


@dataclass(frozen=True)
class Law(ABC):
    """One measured feature given the class, with the prior of its parameters.

    Subclasses implement `parameters`; those with a closed form also `factor`. Every law of `labelppl.families` is one.

    Args:
        feature: The feature; `accepts` names the types that a law is for.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> from labelppl.families import VonMises
        >>> alpha = VonMises(Angle("deg", low=20, high=90)).with_name("alpha")
        >>> isinstance(alpha, Law), list(alpha.features)
        (True, ['alpha'])
    """

    feature: Feature
    typical: Typical | None = None
    name: str = field(default="", kw_only=True)

    #: The feature types this law is for.
    accepts: ClassVar[tuple[type[Feature], ...]] = (Scalar,)

    #: Whether parameters say how often an answer is right, whatever its class: the answers then name the classes.
    named_by_answers: ClassVar[bool] = False

    #: Whether the law has a table for raters who were not in the fit; its code follows those of the others.
    takes_strangers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.feature, self.accepts):
            expected = " or ".join(kind.__name__ for kind in self.accepts)
            got = type(self.feature).__name__
            raise InputError(f"{type(self).__name__}: got a {got}, expected {expected}")
        if self.typical is not None and not self.typical[1] > 0:
            raise InputError(
                f"{type(self).__name__}: got typical={self.typical}, expected (center, spread) with spread > 0"
            )

    def with_name(self, name: str) -> Self:
        """The same evidence for the column ``name``."""
        return replace(self, name=name)

    @property
    def features(self) -> Mapping[str, Feature]:
        """The features that the evidence declares, by name."""
        return {self.name: self.feature}

    @abstractmethod
    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        """Sample the parameters of all classes; returns what to call with the class inside ``with cases:``."""

    def by_class(self, part: str, prior: Any, cases: CasePlate) -> Tensor:
        """A parameter of every class, (classes, ...), sampled from ``prior`` at the site ``<name>_<part>``."""
        each = prior.expand([len(cases.classes)]).to_event(1)
        parameter: Tensor = pyro.sample(f"{self.name}_{part}", each)
        return parameter

    def observe(self, law: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
        """What `parameters` returns: the site of the measurements, whose distribution given the class is ``law(class)``."""
        return lambda y: pyro.sample(self.name, law(y))

    def samplers(
        self, columns: Mapping[str, Column], labels: Ints, classes: tuple[str, ...]
    ) -> Mapping[str, SiteSampler]:
        """Samplers of the posterior of this law and a uniform prior of p(Y), by engine; see `LabelModel.samplers`.

        labels: (cases,) codes of known classes, -1 elsewhere.
        """
        return {}

    def power(self, column: Column, diagnostics: Mapping[str, float | int | str]) -> Tensor | None:
        """(cases,) to what power this law's likelihood counts in the labels, or None; see `LabelModel.power`."""
        return None

    def axes(self) -> dict[str, tuple[str, ...]]:
        """Names of the first axes of its sites; by default each ``<name>_<part>`` of `PARTS_BY_CLASS` has one value a class."""
        return {f"{self.name}_{part}": ("class",) for part in PARTS_BY_CLASS}

    def units(self) -> dict[str, str]:
        """Site -> the feature in whose unit it is; by default ``<name>_mean``."""
        return {f"{self.name}_mean": self.name}

    def factor(
        self, columns: Mapping[str, Column], labels: Tensor, classes: int, seed: int
    ) -> Factor:
        """The exact posterior given labelled cases; InputError where the law has no closed form."""
        raise InputError(
            f"feature '{self.name}': {type(self).__name__} has no closed form; use --engine laplace"
        )

    def tune(self, columns: Mapping[str, Column]) -> Self:
        """The same with `typical` taken from the table where neither it nor bounds were given."""
        if self.typical is not None or not isinstance(self.feature, Scalar) or bounds(self.feature):
            return self
        return replace(self, typical=typical_of(self.name, self.feature, columns[self.name]))

    def place(self) -> tuple[float, float]:
        """Center and spread of the measurement in the model's unit."""
        assert isinstance(self.feature, Scalar)
        return place(self.name, self.feature, self.typical)


def place(name: str, feature: Scalar, typical: Typical | None) -> tuple[float, float]:
    """Center and spread in the model's unit; InputError where nothing says what they are."""
    if typical is None:
        limits = bounds(feature)
        if limits is None:
            raise InputError(
                f"feature '{name}': its prior needs a rough size; give typical=(mean, SD over all cases) in "
                "the column's unit, or declare low= and high="
            )
        typical = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 4
    center, spread = typical
    return float(feature.to_model(np.array([center]))[0]), spread / feature.scale


def typical_of(name: str, feature: Scalar, column: Column) -> Typical:
    """Mean and standard deviation of what was measured, in the column's unit; directions by their resultant."""
    seen = column.values[column.observed].double()
    if len(seen) < 2 or float(seen.std()) == 0:
        raise InputError(
            f"feature '{name}': fewer than two different values in the table, so its prior's size cannot be "
            "taken from them; give typical=(mean, SD)"
        )
    if isinstance(feature, Angle):
        resultant = torch.exp(1j * seen).mean()
        length = float(resultant.abs().clamp(1e-3, 1 - 1e-9))
        mean, spread = float(resultant.angle()), math.sqrt(-2 * math.log(length))
    else:
        mean, spread = float(seen.mean()), float(seen.std())
    return float(feature.from_model(np.array([mean]))[0]), spread * feature.scale


def bind(
    kind: type[Law], declared: Mapping[str, Any], typical: Mapping[str, Typical]
) -> dict[str, Any]:
    """Wrap each feature of a one-line family in `kind`; labels pass through."""
    unknown = set(typical) - set(declared)
    if unknown:
        raise InputError(
            f"typical: got '{min(unknown)}', expected a declared feature: {', '.join(declared)}"
        )
    return {
        name: kind(what, typical.get(name)) if isinstance(what, Feature) else what
        for name, what in declared.items()
    }


def per_class(values: Sequence[float] | Tensor | float, classes: int) -> Tensor:
    """(classes,) float64 of one value or one per class."""
    return torch.as_tensor(values, dtype=torch.float64).expand(classes)


def bounds(feature: Scalar) -> tuple[float, float] | None:
    """Declared bounds, where both are finite and say something (a circular angle's two turns do not)."""
    low, high = feature.low, feature.high
    if low is None or high is None or not math.isfinite(high - low):
        return None
    if isinstance(feature, Angle) and feature.kind in ("circular", "axial"):
        turn = 360.0 if feature.unit == "deg" else 2 * math.pi
        if high - low >= turn:
            return None
    return low, high
