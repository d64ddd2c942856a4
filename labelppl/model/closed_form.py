"""What a label model with a posterior in closed form brings: draws of its parameters, and labels without them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from ..features import Column


class ClosedForm(ABC):
    """The posterior of a label model given its fitted cases, without an engine; see `LabelModel.exact`."""

    @abstractmethod
    def draw(self, n: int, seed: int) -> dict[str, Tensor]:
        """``n`` independent draws of every parameter by site name, each (draws, ...)."""

    @abstractmethod
    def under(self, prevalence: Tensor) -> ClosedForm:
        """The same with p(Y) = ``prevalence`` (classes,) in place of what the cases say of it."""

    @abstractmethod
    def probs(self, columns: Mapping[str, Column]) -> Tensor:
        """p(Y | Z, D) of new cases, (cases, classes)."""

    @abstractmethod
    def leave_one_out(self) -> Tensor:
        """p(Y_i | Z_i, D without case i) of the fitted cases, (cases, classes)."""
