"""`plackett_luce`: partial rankings of the classes by several readers, such as differential diagnoses, ties allowed.

    ranking of reader r | y = k ~ PlackettLuce(reliability_r affinity_k)
    affinity[k, l] ~ N(2 [k = l], 1),  log reliability_r ~ N(0, .5)

affinity[k, l] says how soon class l is named when the truth is k; a reader of low reliability names them in any order. What a
tie and an unranked class mean is stated in `distributions.PlackettLuce`. Readers are independent given the class.
Source: Stutz et al., Medical Image Analysis 2025 (arXiv 2307.02191), who aggregate dermatologists' rankings so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..features import Column, Feature, Label, Ranking
from ..model import CasePlate
from .independent import Family, independent
from .law import Law, bind
from .rater_models import raters_in


@dataclass(frozen=True)
class Readers(Law):
    """The law of readers' partial rankings of the classes given the class: Plackett-Luce.

    The sites are ``<name>_affinity`` (classes, classes), how soon a class is named by the true class, and
    ``<name>_reliability`` (raters,).

    Args:
        feature: A `Ranking` feature.
        typical: Not used; a ranking has no such size.
        name: The column; `with_name` sets it.
        ties: False where no reader ties two classes, which saves an integral for every ranking.

    Raises:
        InputError: For a feature of another kind.

    Examples:
        >>> opinion = Readers(Ranking("ann", "bob"), ties=False)
        >>> sorted(independent(truth=Label("nevus", "melanoma"), opinion=opinion).features)
        ['opinion']
    """

    ties: bool = True

    accepts = (Ranking,)

    def tune(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, r, n = len(cases.classes), raters_in(cases, self), self.name
        affinity = pyro.sample(f"{n}_affinity", dist.Normal(2.0 * torch.eye(k), 1.0).to_event(2))
        spread = dist.LogNormal(0.0, 0.5).expand([r]).to_event(1)
        reliability = pyro.sample(f"{n}_reliability", spread)

        def observe(y: Tensor) -> Tensor:
            weights = affinity[y][..., None, :] * reliability[:, None]
            return pyro.sample(n, laws.PlackettLuce(weights, ties=self.ties).to_event(1))

        return observe


def plackett_luce(**declared: Label | Feature) -> Family:
    """Partial rankings of the classes by several readers, such as differential diagnoses; ties are allowed.

    ``ranking of reader r | y = k ~ PlackettLuce(reliability_r affinity_k)``. Source: Stutz et al., Medical Image
    Analysis 2025.

    Args:
        **declared: One `Label` and one or more `Ranking` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are rankings.

    Examples:
        >>> model = plackett_luce(truth=Label("melanoma", "nevus", "keratosis"), opinion=Ranking())
        >>> sorted(model.features)
        ['opinion']
    """
    return independent(**bind(Readers, declared, {}))
