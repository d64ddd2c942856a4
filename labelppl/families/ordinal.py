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
    """The law of an ordered grade given the class: one latent scale, cut at common points, shifted by the class.

    The sites are ``<name>_shift`` (classes,), on the scale of log-odds, and ``<name>_grades`` (grades,), the
    probabilities of the grades where the shift is 0.

    Args:
        feature: An `Ordinal` feature.
        typical: Not used; a grade has no such size.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind.

    Examples:
        >>> from labelppl import Ordinal, families
        >>> pain = families.Ordinal(Ordinal("none", "mild", "severe"))
        >>> sorted(independent(diagnosis=Label("a", "b"), pain=pain).features)
        ['pain']
    """

    accepts = (OrdinalFeature,)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        assert isinstance(self.feature, OrdinalFeature)
        grades = len(self.feature.names)
        shift = self.by_class("shift", dist.Normal(0.0, 2.0), cases)
        share = pyro.sample(f"{self.name}_grades", dist.Dirichlet(torch.ones(grades)))
        below, above = share.cumsum(-1)[:-1], share.flip(-1).cumsum(-1).flip(-1)[1:]
        cutpoints = torch.log(below) - torch.log(above)
        return self.observe(lambda y: OrderedLogistic(shift[y], cutpoints))


def ordinal(*, prevalence: tuple[float, ...] | None = None, **declared: Label | Feature) -> Family:
    """Ordered grades that are independent given the class: ``P(z <= g | y = k) = sigmoid(c_g - eta_k)``.

    Source: McCullagh, JRSS B 42 (1980).

    Args:
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Ordinal` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are grades; for a prevalence that is not one positive
            number a class, with sum 1.

    Examples:
        >>> from labelppl import Ordinal
        >>> model = ordinal(diagnosis=Label("a", "b"), pain=Ordinal("none", "mild", "severe"))
        >>> sorted(model.features)
        ['pain']
    """
    return independent(prevalence=prevalence, **bind(Ordinal, declared, {}))
