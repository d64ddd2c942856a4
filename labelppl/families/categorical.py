"""Category given the class: z | y = k ~ Categorical(p_k), p_k ~ Dirichlet(counts). Exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

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
    """The law of a category given the class, in closed form: ``z | y = k ~ Categorical(p_k)``.

    The site is ``<name>_probs`` (classes, categories).

    Args:
        feature: A `Category`, or an `Ordinal` that is read as unordered.
        typical: Not used; a category has no such size.
        name: The column; `with_name` sets it.
        counts: Pseudo-cases of each category in the Dirichlet prior of p_k.

    Raises:
        InputError: For a feature of another kind.

    Examples:
        >>> side = Categorical(Category("left", "right"))
        >>> side.prior()
        tensor([1., 1.], dtype=torch.float64)
    """

    counts: float = 1.0

    accepts = (Category,)

    def prior(self) -> Tensor:
        """Dirichlet parameters (categories,)."""
        assert isinstance(self.feature, Category)
        return torch.full((len(self.feature.names),), self.counts, dtype=torch.float64)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        probs = self.by_class("probs", dist.Dirichlet(self.prior()), cases)
        return self.observe(lambda y: dist.Categorical(probs[y]))

    def factor(
        self, columns: Mapping[str, Column], labels: Tensor, classes: int, seed: int
    ) -> Factor:
        made = CategoricalFactor.fit(self.name, columns[self.name], labels, classes, self.prior())
        return replace(made, probs_site=f"{self.name}_probs")


def categorical(
    *, prevalence: tuple[float, ...] | None = None, **declared: Label | Feature
) -> Family:
    """Categories that are independent given the class: ``z | y = k ~ Categorical(p_k)``, ``p_k ~ Dirichlet(1)``.

    The posterior has a closed form.

    Args:
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more `Category` or `Ordinal` features.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are categories; for a prevalence that is not one
            positive number a class, with sum 1.

    Examples:
        >>> model = categorical(diagnosis=Label("a", "b"), side=Category("left", "right"))
        >>> sorted(model.features)
        ['side']
    """
    return independent(prevalence=prevalence, **bind(Categorical, declared, {}))
