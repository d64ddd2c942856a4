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

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from ...arrays import Floats
from ...errors import InputError
from ...features import Column
from ...model import ClosedForm, LabelPosterior
from ...seeds import Stream, stream

#: Cases of one block where a whole table is labelled at once.
BLOCK_CASES = 512
#: What a case may do to the count of a class: be taken out of it, nothing, or be put into it.
CHANGES = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)


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
        return torch.softmax(log_joint, -1).transpose(1, 2)


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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            draws = {} if self.prevalence.fixed else {self.prevalence_site: self.prevalence.draw(n)}
            for factor in self.factors:
                draws |= factor.draw(n)
        return draws


def worst(khats: list[Tensor]) -> Tensor:
    """(cases,) the largest that is a number."""
    stacked = torch.stack(khats)
    highest = torch.nan_to_num(stacked, nan=-torch.inf).amax(0)
    return torch.where(stacked.isnan().all(0), torch.nan, highest)


def draw_nodes(by_node: Tensor, log_weights: Tensor, chosen: Tensor, numbers: Stream) -> Tensor:
    """(cases, draws) a node of what the classes share for each draw, as if the case had been fitted with its ``chosen`` label.

    by_node (cases, classes, nodes): log p(z | y = k, node, D); log_weights (cases, nodes): of the nodes given D.
    """
    u = torch.rand(chosen.shape[1], generator=numbers.torch(), dtype=torch.float64)
    u = u.expand(len(chosen), -1).contiguous()
    node = torch.zeros_like(chosen)
    for k in torch.unique(chosen).tolist():
        cumulative = torch.softmax(log_weights + by_node[:, k], -1).cumsum(-1)
        at = torch.searchsorted(cumulative / cumulative[:, -1:], u)
        node = torch.where(chosen == k, at.clamp(max=cumulative.shape[-1] - 1), node)
    return node


def even_levels(n: int) -> Floats:
    """(n,) the middles of n equal parts of 0 to 1."""
    return (np.arange(n) + 0.5) / n


def log_gamma_draws(shape: Tensor, draws: int, generator: Generator) -> Tensor:
    """log of gamma draws (..., draws) of every ``shape``; where that is not positive, of no use.

    A gamma of small shape may underflow: g(a) = g(a + 1) u^(1/a), in logs.
    """
    a = shape.clamp(min=1e-3)[..., None].expand(*shape.shape, draws)
    u = torch.rand(a.shape, generator=generator, dtype=a.dtype)
    return torch.log(torch._standard_gamma(a + 1, generator=generator)) + torch.log(u) / a


def exactly(cases: int) -> Tensor:
    """(cases,) the k-hat of what needs no weights."""
    return torch.full((cases,), torch.nan, dtype=torch.float64)


def _blocks(n: int) -> list[Tensor]:
    return list(torch.arange(n).split(BLOCK_CASES))


def _take(columns: Mapping[str, Column], rows: Tensor) -> dict[str, Column]:
    return {name: column.take(rows) for name, column in columns.items()}


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
