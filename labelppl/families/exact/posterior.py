"""The exact posterior of a generative label model whose pieces have closed forms.

With prevalence pi ~ Dirichlet(a) and evidence z = (z_1, ..., z_F), independent given the class, the predictive of a new case
integrates every parameter out (docs/methods.md §3, "generative, exact"):

    p(y = k | z, D)         proportional to  E[pi_k | D]      prod_f p(z_f | y = k, D)
    p(y_i = k | z_i, D_-i)  the same with case i taken out of its class

where p(z_f | y = k, D) is a factor's posterior predictive: multivariate t, von Mises by one quadrature, t of a regression, or
a Dirichlet ratio. How far p(Y | Z, theta) is from its mean is drawn anew for each case, never by weighting draws of the
fit: p(theta | D_-i, z_i) is a mixture over the label that the case may have had, so that

    k ~ p(y = k | z_i, D_-i),   theta | k  as if the case had been fitted with the label k,   p_k = softmax(log pi + log f(z_i))

are independent draws of equal weight. Factors hold labelled cases only; an unlabelled case with measurements has no closed
form and is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...features import Column
from ...model import ClosedForm, LabelPosterior
from ...seeds import stream
from .draws import even_levels
from .evidence import Evidence
from .factor import Factor, Product
from .prevalence import Prevalence

#: Cases of one block where a whole table is labelled at once.
BLOCK_CASES = 512


@dataclass(frozen=True)
class ExactLabels(LabelPosterior):
    """p(Y | Z) of a block of cases in closed form; labels (cases,) are their own where they are left out."""

    prevalence: Prevalence
    evidence: Evidence
    labels: Tensor | None

    @property
    def probs(self) -> Tensor:
        """Exact p(Y | Z, D), (cases, classes)."""
        return torch.softmax(self.log_joint, -1)

    @property
    def log_joint(self) -> Tensor:
        """log p(z, y = k | D), (cases, classes)."""
        if self.labels is None:
            return self.prevalence.log_mean() + self.evidence.log_predictive
        return self.prevalence.log_mean_without(self.labels) + self.evidence.log_predictive

    @property
    def khat(self) -> Tensor:
        """(cases,) Pareto k of leaving the case out, NaN where that is exact."""
        return self.evidence.khat

    def draw(self, n: int, seed: int) -> Tensor:
        """(cases, classes, draws) of p(Y | Z, theta), independent for each case, of equal weight."""
        numbers = stream(seed, "label posterior")
        u = torch.from_numpy(numbers.stream("class").numpy().permutation(even_levels(n)))
        cumulative = self.probs.cumsum(-1)
        chosen = torch.searchsorted(cumulative, u.expand(len(cumulative), -1).contiguous())
        chosen = chosen.clamp(max=cumulative.shape[1] - 1)
        log_pi = self.prevalence.draw_log(chosen, self.labels, numbers.stream("prevalence"))
        log_joint = log_pi + self.evidence.draw(chosen, numbers.stream("evidence"))
        # Over an axis as short as the classes, softmax is fast only where the draws lie beside each other.
        return torch.softmax(log_joint.transpose(1, 2).contiguous(), 1)


@dataclass(frozen=True)
class ExactPosterior(ClosedForm):
    """A whole label model in closed form. labels (cases,) are those of the cases it was fitted to."""

    prevalence: Prevalence
    factors: tuple[Factor, ...]
    labels: Tensor
    prevalence_site: str = "prevalence"

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it must not be trusted, in words; empty if it qualifies."""
        return Product(self.factors).problems

    def under(self, prevalence: Tensor) -> ExactPosterior:
        """The same with p(Y) fixed to ``prevalence`` (classes,)."""
        return replace(self, prevalence=Prevalence(prevalence, fixed=True))

    def new(self, columns: Mapping[str, Column]) -> ExactLabels:
        """p(Y | Z, D) of new cases."""
        return ExactLabels(self.prevalence, Product(self.factors).new(columns), None)

    def left_out(self, rows: Tensor) -> ExactLabels:
        """p(Y_i | Z_i, D without case i) of the fitted cases ``rows`` (cases,)."""
        evidence = Product(self.factors).left_out(rows)
        return ExactLabels(self.prevalence, evidence, self.labels[rows])

    def probs(self, columns: Mapping[str, Column]) -> Tensor:
        """Exact p(Y | Z, D) of new cases, (cases, classes)."""
        n = len(next(iter(columns.values())).values)
        return torch.cat([self.new(_take(columns, rows)).probs for rows in _blocks(n)])

    def leave_one_out(self) -> Tensor:
        """Exact p(Y_i | Z_i, D without case i) of the fitted cases, (cases, classes)."""
        return torch.cat([self.left_out(rows).probs for rows in _blocks(len(self.labels))])

    def draw(self, n: int, seed: int) -> dict[str, Tensor]:
        """`n` independent posterior draws of every parameter by site name, each (draws, ...)."""
        with stream(seed, "exact").torch_default():
            draws = {} if self.prevalence.fixed else {self.prevalence_site: self.prevalence.draw(n)}
            for factor in self.factors:
                draws |= factor.draw(n)
        return draws


def _blocks(n: int) -> list[Tensor]:
    return list(torch.arange(n).split(BLOCK_CASES))


def _take(columns: Mapping[str, Column], rows: Tensor) -> dict[str, Column]:
    return {name: column.take(rows) for name, column in columns.items()}
