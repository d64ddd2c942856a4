"""The exact posterior of a generative label model whose pieces have closed forms.

With prevalence pi ~ Dirichlet(a) and evidence z = (z_1, ..., z_F), independent given the class, the
predictive of a new case integrates every parameter out (docs/methods.md §3, "generative, exact"):

    p(y = k | z, D)       proportional to  E[pi_k | D]      prod_f p(z_f | y = k, D)
    p(y_i = k | z_i, D_-i)  the same with case i taken out of class y_i only,

where p(z_f | y = k, D) is a factor's posterior predictive: multivariate t, von Mises by one quadrature,
t of a regression, or a Dirichlet ratio. Leave-one-out costs one rank-one down-date per case. Factors hold
labelled cases only; an unlabelled case with measurements has no closed form and is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ...errors import InputError
from ...features import Column
from ...model import ClosedForm


class Factor(Protocol):
    """A piece of evidence with a closed-form predictive for each class, fitted to labelled cases."""

    def log_predictive(self, columns: Mapping[str, Column]) -> Tensor:
        """log p(z | y = k, D) of new cases, (cases, classes); missing parts are integrated out."""

    def log_leave_one_out(self) -> Tensor:
        """log p(z_i | y_i, D without i) of the fitted cases, (cases,)."""

    def fitted_columns(self) -> Mapping[str, Column]:
        """The columns the factor was fitted to."""

    def draw(self, n: int) -> dict[str, Tensor]:
        """`n` posterior draws of the factor's parameters by site name, each (draws, ...)."""


@dataclass(frozen=True)
class Product:
    """Factors that one piece of evidence is made of, e.g. an angle and what depends on it."""

    factors: tuple[Factor, ...]

    def fitted_columns(self) -> Mapping[str, Column]:
        return {n: c for factor in self.factors for n, c in factor.fitted_columns().items()}

    def log_predictive(self, columns: Mapping[str, Column]) -> Tensor:
        return torch.stack([factor.log_predictive(columns) for factor in self.factors]).sum(0)

    def log_leave_one_out(self) -> Tensor:
        return torch.stack([factor.log_leave_one_out() for factor in self.factors]).sum(0)

    def draw(self, n: int) -> dict[str, Tensor]:
        return {name: v for factor in self.factors for name, v in factor.draw(n).items()}


@dataclass(frozen=True)
class Prevalence:
    """Posterior Dirichlet(`concentration` (classes,)) of p(Y), or a fixed p(Y) where `fixed`.

    Fixed is for case-control designs: class sizes chosen by the investigator say nothing about p(Y).
    """

    concentration: Tensor
    fixed: bool = False

    @classmethod
    def fit(cls, labels: Tensor, prior: Tensor) -> Prevalence:
        """Dirichlet(`prior` (classes,)) updated by the class counts of `labels` (cases,)."""
        return cls(prior + torch.bincount(labels, minlength=len(prior)).to(prior))

    def log_mean(self) -> Tensor:
        """log E[pi], (classes,)."""
        return torch.log(self.concentration / self.concentration.sum())

    def log_mean_without(self, labels: Tensor) -> Tensor:
        """log E[pi] with one case of class labels[i] taken out, (cases, classes)."""
        if self.fixed:
            return self.log_mean().expand(len(labels), -1)
        own = torch.nn.functional.one_hot(labels, len(self.concentration)).to(self.concentration)
        left = self.concentration - own
        return torch.log(left / left.sum(-1, keepdim=True))

    def draw(self, n: int) -> Tensor:
        """(draws, classes)."""
        if self.fixed:
            return (self.concentration / self.concentration.sum()).expand(n, -1)
        law = torch.distributions.Dirichlet(self.concentration, validate_args=False)
        return law.sample(torch.Size([n]))


@dataclass(frozen=True)
class ExactPosterior(ClosedForm):
    """A whole label model in closed form. labels (cases,) are those of the cases it was fitted to."""

    prevalence: Prevalence
    factors: tuple[Factor, ...]
    labels: Tensor
    prevalence_site: str = "prevalence"

    def under(self, prevalence: Tensor) -> ExactPosterior:
        """The same with p(Y) fixed to ``prevalence`` (classes,)."""
        return replace(self, prevalence=Prevalence(prevalence, fixed=True))

    def log_joint(self, columns: Mapping[str, Column]) -> Tensor:
        """log p(z, y = k | D) of new cases, (cases, classes)."""
        pieces = [factor.log_predictive(columns) for factor in self.factors]
        return self.prevalence.log_mean() + torch.stack(pieces).sum(0)

    def probs(self, columns: Mapping[str, Column]) -> Tensor:
        """Exact p(Y | Z, D) of new cases, (cases, classes)."""
        return torch.softmax(self.log_joint(columns), -1)

    def leave_one_out(self) -> Tensor:
        """Exact p(Y_i | Z_i, D without case i) of the fitted cases, (cases, classes)."""
        rows = torch.arange(len(self.labels))
        joint = self.prevalence.log_mean_without(self.labels)
        for factor in self.factors:
            piece = factor.log_predictive(factor.fitted_columns()).clone()
            piece[rows, self.labels] = factor.log_leave_one_out()
            joint = joint + piece
        return torch.softmax(joint, -1)

    def draw(self, n: int, seed: int) -> dict[str, Tensor]:
        """`n` independent posterior draws of every parameter by site name, each (draws, ...)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            draws = {} if self.prevalence.fixed else {self.prevalence_site: self.prevalence.draw(n)}
            for factor in self.factors:
                draws |= factor.draw(n)
        return draws


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
