"""Discriminative p(Y | Z): logistic for two classes, multinomial logistic for more.

    logit p(Y = 1 | z) = b0 + sum_f b_f x_f          (two classes)
    p(Y = k | z) = softmax_k(b0_k + sum_f b_kf x_f)  (more; the priors settle the common shift)

x is the measurement minus its center over its spread (`typical`, bounds, or the table); a circular or axial angle
enters by its cosine and sine, a category by an indicator of each value. b0 ~ N(0, 2.5), b ~ t_5(0, 1.5): heavy enough
for strong effects, tight enough that separable classes keep finite weights (Gelman et al., Annals of Applied Statistics
2, 2008). p(z) is not modelled: a missing measurement cannot be integrated out, and unlabelled cases teach nothing.
The paper's liver model is this without an intercept (Vega et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..errors import InputError
from ..features import Angle, Category, Feature, Label, Scalar
from ..model import CasePlate, LabelModel
from ..table import Cases
from .independent import the_label
from .law import Typical, bounds, place, typical_of


@dataclass(frozen=True)
class Discriminative(LabelModel):
    """A label model of p(Y | Z); typical: (center, spread) by feature in the column's unit."""

    typical: Mapping[str, Typical] = field(default_factory=dict, kw_only=True)

    def for_cases(self, cases: Cases) -> Discriminative:
        """The same with centers and spreads from the table where neither bounds nor `typical` gave them."""
        sizes = sizes_in(self.features, self.typical, cases)
        return replace(self, typical=sizes, fn=_function(self.label_name, self.features, sizes))


def sizes_in(
    features: Mapping[str, Feature], typical: Mapping[str, Typical], cases: Cases
) -> dict[str, Typical]:
    """`typical` with centers and spreads from the table where neither bounds nor it gave them."""
    sizes = dict(typical)
    for name, feature in features.items():
        if isinstance(feature, Scalar) and name not in sizes and bounds(feature) is None:
            sizes[name] = typical_of(name, feature, cases.columns[name])
    return sizes


def logistic(
    *, typical: Mapping[str, Typical] | None = None, **declared: Label | Feature
) -> Discriminative:
    """The class given the measurements: logistic for two classes, multinomial logistic for more.

    ``logit p(Y = 1 | z) = b0 + sum_f b_f x_f``, with x the measurement minus its center over its spread. The
    measurements themselves are not modelled: none may be missing, and unlabelled cases teach nothing. Source: Gelman et
    al., Annals of Applied Statistics 2 (2008).

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        **declared: One `Label`; one or more numbers, angles or categories.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are numbers, angles or categories; for a typical size
            of a column that is not declared.

    Examples:
        >>> model = logistic(fatty=Label("no", "yes"), roi1=Real(low=0, high=255), roi2=Real(low=0, high=255))
        >>> sorted(model.features)
        ['roi1', 'roi2']
    """
    label_name, label = the_label(declared)
    features = {n: what for n, what in declared.items() if isinstance(what, Feature)}
    for name, feature in features.items():
        if not isinstance(feature, Scalar | Category):
            raise InputError(
                f"logistic: '{name}' is a {type(feature).__name__}, expected a number, an angle or a category"
            )
    if not features:
        raise InputError("logistic: expected at least one feature beside the Label")
    unknown = set(typical or {}) - set(features)
    if unknown:
        raise InputError(f"typical: got '{min(unknown)}', expected one of {', '.join(features)}")
    sizes = dict(typical or {})
    fn = _function(label_name, features, sizes)
    return Discriminative(fn, label_name, label, features, typical=sizes)


def _inputs(
    name: str, feature: Feature, typical: Typical | None
) -> list[Callable[[Tensor], Tensor]]:
    """The columns of the design that one feature gives, each a function of its values (cases,)."""
    if isinstance(feature, Category):
        return [_indicator(c) for c in range(1, len(feature.names))]
    assert isinstance(feature, Scalar)
    if isinstance(feature, Angle) and feature.kind in ("circular", "axial"):
        return [torch.cos, torch.sin]
    center, spread = place(name, feature, typical)
    return [lambda v: (v - center) / spread]


def _indicator(code: int) -> Callable[[Tensor], Tensor]:
    return lambda values: (values == code).to(torch.float64)


def linear_predictor(
    features: Mapping[str, Feature], typical: Mapping[str, Typical], classes: int
) -> Callable[[CasePlate], Tensor]:
    """Sample ``intercept`` and ``weights``; returns what gives the logits (cases, classes) inside ``with cases as z:``."""
    rows = 1 if classes == 2 else classes
    inputs = [
        (name, column)
        for name, feature in features.items()
        for column in _inputs(name, feature, typical.get(name))
    ]
    intercept = pyro.sample("intercept", dist.Normal(0.0, 2.5).expand([rows]).to_event(1))
    prior = dist.StudentT(5.0, 0.0, 1.5).expand([rows, len(inputs)]).to_event(2)
    weights = pyro.sample("weights", prior)

    def logits(z: CasePlate) -> Tensor:
        design = torch.stack([column(getattr(z, name)) for name, column in inputs], -1)
        score = intercept + design.to(weights.dtype) @ weights.mT
        return torch.cat([torch.zeros_like(score), score], -1) if classes == 2 else score

    return logits


def _function(
    label_name: str, features: Mapping[str, Feature], typical: Mapping[str, Typical]
) -> Callable[[CasePlate], None]:
    """The model as a plain Pyro function."""

    def logistic(cases: CasePlate) -> None:
        logits = linear_predictor(features, typical, len(cases.classes))
        with cases as z:
            pyro.sample(label_name, dist.Categorical(logits=logits(z)))

    return logistic
