"""Ordered grade given the class: one latent scale, cut at common points, shifted by the class.

    P(z <= g | y = k) = sigmoid(c_g - eta_k),  eta_k ~ N(0, 2)
    c_g = logit(p_1 + ... + p_g),  p ~ Dirichlet(1)            (the induced Dirichlet prior of the cutpoints)

so that p are the grades' probabilities at eta = 0. Source: McCullagh, JRSS B 42 (1980).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..distributions import OrderedLogistic
from ..features import Feature, Label
from ..features import Ordinal as OrdinalFeature
from ..model import CasePlate
from .independent import Family, independent
from .law import Law, bind


@dataclass(frozen=True)
class Ordinal(Law):
    """An `Ordinal` feature. Sites ``<name>_shift`` (classes,) and ``<name>_grades`` (grades,)."""

    accepts = (OrdinalFeature,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        assert isinstance(self.feature, OrdinalFeature)
        grades = len(self.feature.names)
        shift = pyro.sample(
            f"{self.name}_shift", dist.Normal(0.0, 2.0).expand([classes]).to_event(1)
        )
        share = pyro.sample(f"{self.name}_grades", dist.Dirichlet(torch.ones(grades)))
        below, above = share.cumsum(-1)[:-1], share.flip(-1).cumsum(-1).flip(-1)[1:]
        cutpoints = torch.log(below) - torch.log(above)

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, OrderedLogistic(shift[y], cutpoints))

        return observe


def ordinal(*, prevalence: tuple[float, ...] | None = None, **declared: Label | Feature) -> Family:
    """Grades: ``ordinal(diagnosis=Label("a", "b"), pain=Ordinal("none", "mild", "severe"))``."""
    return independent(prevalence=prevalence, **bind(Ordinal, declared, {}))
