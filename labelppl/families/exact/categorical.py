"""Class-conditional category with a Dirichlet prior: predictive (n_kc + a_c) / (n_k + sum a)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...features import Column
from ...seeds import Stream
from .draws import CHANGES, log_gamma_draws
from .evidence import Evidence, exactly
from .factor import Factor, labelled


@dataclass(frozen=True)
class CategoricalEvidence(Evidence):
    """Categories (cases,) and where they were ``observed``; out (cases, classes): 1 where the case is taken out of a class.

    concentration (classes, categories).
    """

    concentration: Tensor
    category: Tensor
    observed: Tensor
    out: Tensor

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        count = self.concentration.T[self.category] - self.out
        share = count / (self.concentration.sum(-1) - self.out)
        return torch.where(self.observed[:, None], torch.log(share), 0.0)

    @property
    def khat(self) -> Tensor:
        """(cases,) not a number: nothing is weighted."""
        return exactly(len(self.category))

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        draws, classes = chosen.shape[1], self.out.shape[1]
        rest = self.concentration.sum(-1, keepdim=True) - self.concentration
        counts = self.concentration[..., None] + CHANGES
        mine = log_gamma_draws(counts, draws, numbers.stream("own").torch())
        others = log_gamma_draws(rest, draws, numbers.stream("rest").torch())
        into = torch.nn.functional.one_hot(chosen, classes)
        change = 1 + into - self.out.long()[:, None]
        at = torch.arange(classes), self.category[:, None, None], torch.arange(draws)[:, None]
        log_mine, log_others = mine[at[0], at[1], change, at[2]], others[at]
        log_share = log_mine - torch.logaddexp(log_mine, log_others)
        return torch.where(self.observed[:, None, None], log_share, 0.0)


@dataclass(frozen=True)
class CategoricalFactor(Factor):
    """Posterior Dirichlet(`concentration` (classes, categories)) of the categories in each class."""

    site: str
    column: Column
    labels: Tensor
    concentration: Tensor
    probs_site: str = "probs"

    @classmethod
    def fit(
        cls, site: str, column: Column, labels: Tensor, classes: int, prior: Tensor
    ) -> CategoricalFactor:
        """column.values (cases,) codes; prior (categories,) or (classes, categories)."""
        labels = labelled(labels, classes)
        codes = torch.nn.functional.one_hot(column.values.long(), prior.shape[-1]).to(prior)
        member = torch.nn.functional.one_hot(labels, classes).to(prior)
        counts = member.T @ (codes * column.observed[:, None])
        return cls(site, column, labels, prior + counts)

    def fitted_columns(self) -> Mapping[str, Column]:
        return {self.site: self.column}

    def new(self, columns: Mapping[str, Column]) -> Evidence:
        column = columns[self.site]
        nobody = torch.zeros(len(column.values), len(self.concentration), dtype=torch.float64)
        return CategoricalEvidence(
            self.concentration, column.values.long(), column.observed, nobody
        )

    def left_out(self, rows: Tensor) -> Evidence:
        column, classes = self.column.take(rows), len(self.concentration)
        own = torch.nn.functional.one_hot(self.labels[rows], classes).to(self.concentration)
        out = own * column.observed[:, None]
        return CategoricalEvidence(self.concentration, column.values.long(), column.observed, out)

    def draw(self, n: int) -> dict[str, Tensor]:
        law = torch.distributions.Dirichlet(self.concentration, validate_args=False)
        return {self.probs_site: law.sample(torch.Size([n]))}
