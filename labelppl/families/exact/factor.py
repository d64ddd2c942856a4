"""A piece of evidence fitted to labelled cases; several of them that are independent given the class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...errors import InputError
from ...features import Column
from .evidence import Evidence, ProductEvidence


class Factor(ABC):
    """A piece of evidence with a closed-form predictive for each class, fitted to labelled cases."""

    @abstractmethod
    def new(self, columns: Mapping[str, Column]) -> Evidence:
        """What it says of new cases; missing parts are integrated out."""

    @abstractmethod
    def left_out(self, rows: Tensor) -> Evidence:
        """What it says of the fitted cases ``rows`` (cases,), each without its own row."""

    @abstractmethod
    def fitted_columns(self) -> Mapping[str, Column]:
        """The columns the factor was fitted to."""

    @abstractmethod
    def draw(self, n: int) -> dict[str, Tensor]:
        """`n` posterior draws of the factor's parameters by site name, each (draws, ...)."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it must not be trusted, in words; empty where nothing was sampled or the sampler qualifies."""
        return ()


@dataclass(frozen=True)
class Product(Factor):
    """Factors that one piece of evidence is made of, e.g. an angle and what depends on it."""

    factors: tuple[Factor, ...]

    def new(self, columns: Mapping[str, Column]) -> Evidence:
        return ProductEvidence(tuple(factor.new(columns) for factor in self.factors))

    def left_out(self, rows: Tensor) -> Evidence:
        return ProductEvidence(tuple(factor.left_out(rows) for factor in self.factors))

    def fitted_columns(self) -> Mapping[str, Column]:
        return {n: c for factor in self.factors for n, c in factor.fitted_columns().items()}

    def draw(self, n: int) -> dict[str, Tensor]:
        return {name: v for factor in self.factors for name, v in factor.draw(n).items()}

    @property
    def problems(self) -> tuple[str, ...]:
        """Those of the factors."""
        return tuple(problem for factor in self.factors for problem in factor.problems)


def labelled(labels: Tensor, classes: int) -> Tensor:
    """The labels as int64 (cases,), all known; InputError otherwise, with the row."""
    labels = labels.long()
    unknown = (labels < 0).nonzero()
    if len(unknown):
        raise InputError(
            f"row {int(unknown[0]) + 1}: no label; the closed form exists for labelled cases only; "
            "fit without the unlabelled cases or use --engine laplace"
        )
    if bool((labels >= classes).any()):
        row = int((labels >= classes).nonzero()[0])
        raise InputError(
            f"row {row + 1}: got class {int(labels[row])}, expected 0 to {classes - 1}"
        )
    return labels


def refuse_censored(name: str, column: Column) -> None:
    """A tail mass has no conjugate update; InputError names the row."""
    if bool(column.censored.any()):
        row = int(column.censored.nonzero()[0])
        raise InputError(
            f"column '{name}', row {row + 1}: a censored entry has no closed form; "
            "use --engine laplace or leave the cell empty"
        )
