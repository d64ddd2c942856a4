"""Class-conditional category with a Dirichlet prior: predictive (n_kc + a_c) / (n_k + sum a)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...features import Column
from .base import labelled


@dataclass(frozen=True)
class CategoricalFactor:
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

    def log_predictive(self, columns: Mapping[str, Column]) -> Tensor:
        column = columns[self.site]
        share = self.concentration / self.concentration.sum(-1, keepdim=True)
        out = torch.log(share).T[column.values.long()]
        return torch.where(column.observed[:, None], out, 0.0)

    def log_leave_one_out(self) -> Tensor:
        rows = self.concentration[self.labels]
        own = rows.gather(1, self.column.values.long()[:, None])[:, 0] - 1
        out = torch.log(own / (rows.sum(-1) - 1))
        return torch.where(self.column.observed, out, 0.0)

    def draw(self, n: int) -> dict[str, Tensor]:
        law = torch.distributions.Dirichlet(self.concentration, validate_args=False)
        return {self.probs_site: law.sample(torch.Size([n]))}
