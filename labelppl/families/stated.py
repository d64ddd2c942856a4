"""`stated`: experts' own probabilities for each class, each expert's calibration and noise learned.

    x_r | y = k ~ N(bias_r + sharpness_r (e_k - 1/K), noise_r^2) in centred log-ratios (`distributions.StatedOpinion`)
    log sharpness_r ~ N(log 3, .6),  log noise_r ~ N(log 1.5, .5),  bias_r ~ N(0, .7)

An expert's weight of evidence is sharpness / noise^2: with two classes p(Y | s) is a logistic recalibration of s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..distributions import StatedOpinion
from ..features import Column, Feature, Label, Stated
from ..model import CasePlate
from .independent import Family, independent
from .law import Law, bind
from .rater_models import raters_in


@dataclass(frozen=True)
class Opinion(Law):
    """The law of experts' own probabilities given the class, with each expert's calibration and noise.

    The sites are ``<name>_sharpness`` (raters,), ``<name>_noise`` (raters,) and ``<name>_bias`` (raters, classes), on
    the scale of centred log-ratios.

    Args:
        feature: A `Stated` feature.
        typical: Not used; a probability has no such size.
        name: The column; `with_name` sets it.
        rounding: The unit to which probabilities were rounded, 0 to 1, which gives an exact 0 or 1 a meaning.

    Raises:
        InputError: For a feature of another kind.

    Examples:
        >>> opinion = Opinion(Stated(unit="%"), rounding=0.05)
        >>> sorted(independent(truth=Label("benign", "malignant"), opinion=opinion).features)
        ['opinion']
    """

    rounding: float = 0.01

    accepts = (Stated,)

    def tune(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, r, n = len(cases.classes), raters_in(cases, self), self.name
        sharp = dist.LogNormal(math.log(3.0), 0.6).expand([r]).to_event(1)
        sharpness = pyro.sample(f"{n}_sharpness", sharp)
        noise = pyro.sample(
            f"{n}_noise", dist.LogNormal(math.log(1.5), 0.5).expand([r]).to_event(1)
        )
        bias = pyro.sample(f"{n}_bias", dist.Normal(0.0, 0.7).expand([r, k]).to_event(2))

        def observe(y: Tensor) -> Tensor:
            own = torch.eye(k, dtype=bias.dtype)[y][..., None, :]
            loc = bias + sharpness[:, None] * (own - 1 / k)
            law: Any = StatedOpinion(loc, noise, rounding=self.rounding)
            return pyro.sample(n, law)

        return observe


def stated(**declared: Label | Feature) -> Family:
    """Experts' own probabilities for each class, each expert's calibration and noise learned.

    ``x_r | y = k ~ N(bias_r + sharpness_r (e_k - 1/K), noise_r^2)`` in centred log-ratios.

    Args:
        **declared: One `Label` and one or more `Stated` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are stated probabilities.

    Examples:
        >>> model = stated(truth=Label("benign", "malignant"), opinion=Stated(unit="%"))
        >>> sorted(model.features)
        ['opinion']
    """
    return independent(**bind(Opinion, declared, {}))
