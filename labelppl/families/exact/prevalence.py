"""p(Y) of a closed form: a Dirichlet updated by the class counts, or fixed by design."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...seeds import Stream
from .draws import CHANGES, log_gamma_draws


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
        left = self.concentration - self._own(labels)
        return torch.log(left / left.sum(-1, keepdim=True))

    def draw(self, n: int) -> Tensor:
        """(draws, classes)."""
        if self.fixed:
            return (self.concentration / self.concentration.sum()).expand(n, -1)
        law = torch.distributions.Dirichlet(self.concentration, validate_args=False)
        return law.sample(torch.Size([n]))

    def draw_log(self, chosen: Tensor, labels: Tensor | None, numbers: Stream) -> Tensor:
        """log pi (cases, draws, classes) up to a constant, each case counted in its ``chosen`` class (cases, draws)
        and taken out of its own, ``labels`` (cases,), where it has one.
        """
        if self.fixed:
            return self.log_mean().expand(*chosen.shape, -1)
        change = self._own(chosen)
        if labels is not None:
            change = change - self._own(labels)[:, None]
        counts = self.concentration[:, None] + CHANGES
        table = log_gamma_draws(counts, chosen.shape[1], numbers.torch())
        classes, draws = torch.arange(len(counts)), torch.arange(chosen.shape[1])[:, None]
        return table[classes, 1 + change.long(), draws]

    def _own(self, labels: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(labels, len(self.concentration)).to(self.concentration)
