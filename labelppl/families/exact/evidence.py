"""What a factor says of a block of cases: its predictive density for each class, and draws of its density."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ...seeds import Stream


class Evidence(ABC):
    """What one factor says of a block of cases, new or left out of the fit.

    log_predictive (cases, classes): log p(z | y = k, D). khat (cases,): Pareto k where leaving the case out needed
    weights, else NaN.
    """

    @property
    @abstractmethod
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""

    @property
    @abstractmethod
    def khat(self) -> Tensor:
        """(cases,)."""

    @abstractmethod
    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        """log f_k(z | theta) (cases, draws, classes), theta drawn as if the case had been fitted with its ``chosen``
        label (cases, draws). The draws of one case are independent; all cases share their random ``numbers``, so that a case
        gets the same draws in any table.
        """


@dataclass(frozen=True)
class ProductEvidence(Evidence):
    """Evidence of several factors that are independent given the class."""

    parts: tuple[Evidence, ...]

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        return torch.stack([part.log_predictive for part in self.parts]).sum(0)

    @property
    def khat(self) -> Tensor:
        """(cases,) the worst of the parts."""
        return worst([part.khat for part in self.parts])

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        pieces = [part.draw(chosen, numbers.stream(i)) for i, part in enumerate(self.parts)]
        return torch.stack(pieces).sum(0)


def worst(khats: list[Tensor]) -> Tensor:
    """(cases,) the largest that is a number."""
    stacked = torch.stack(khats)
    highest = torch.nan_to_num(stacked, nan=-torch.inf).amax(0)
    return torch.where(stacked.isnan().all(0), torch.nan, highest)


def exactly(cases: int) -> Tensor:
    """(cases,) the k-hat of what needs no weights."""
    return torch.full((cases,), torch.nan, dtype=torch.float64)
