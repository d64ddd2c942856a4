"""Category given the class: z | y = k ~ Categorical(p_k), p_k ~ Dirichlet(counts). Exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..features import Category, Column, Feature, Label
from ..model import CasePlate
from .exact import CategoricalFactor, Factor
from .independent import Family, independent
from .law import Law, bind


@dataclass(frozen=True)
class Categorical(Law):
    """A `Category` or `Ordinal` read as unordered. Site ``<name>_probs`` (classes, categories)."""

    counts: float = 1.0

    accepts = (Category,)

    def prior(self) -> Tensor:
        """Dirichlet parameters (categories,)."""
        assert isinstance(self.feature, Category)
        return torch.full((len(self.feature.names),), self.counts, dtype=torch.float64)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        rows = dist.Dirichlet(self.prior()).expand([classes]).to_event(1)
        probs = pyro.sample(f"{self.name}_probs", rows)

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, dist.Categorical(probs[y]))

        return observe

    def factor(
        self, columns: Mapping[str, Column], labels: Tensor, classes: int, seed: int
    ) -> Factor:
        made = CategoricalFactor.fit(self.name, columns[self.name], labels, classes, self.prior())
        return replace(made, probs_site=f"{self.name}_probs")


def categorical(
    *, prevalence: tuple[float, ...] | None = None, **declared: Label | Feature
) -> Family:
    """Categories, independent given the class: ``categorical(diagnosis=Label("a", "b"), side=Category("l", "r"))``."""
    return independent(prevalence=prevalence, **bind(Categorical, declared, {}))
