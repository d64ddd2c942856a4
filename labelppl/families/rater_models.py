"""What raters' votes say about the class: four laws of a table of votes (cases, raters), -1 where none.

DawidSkene      C_j[k] ~ Dirichlet(1 + b): one confusion matrix per rater, heavier on the diagonal
Hierarchical    logit-scale skill m_k + a_j + d_jk: raters shrink to the crowd and a rater's two error rates to
                each other, which few votes per rater and rare classes need
SharedErrors    groups of raters who repeat a hidden answer (`annotators.shared_error`)
Glad            P(right) = sigmoid(a_j e^{b_i}) with the difficulty b_i of each case (`annotators.glad`)

The diagonal-heavy priors, not an accident of the start, settle which class is which where no case is labelled.
Sources: Dawid and Skene (1979); Paun et al., TACL 6 (2018); Whitehill et al., NIPS 22 (2009).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..features import Column, Feature
from ..model import CasePlate
from . import distributions as laws
from .annotators import Votes
from .annotators.dependence import Dependence, dependence
from .annotators.shared_error import complete_groups
from .evidence import Evidence


def raters_in(cases: CasePlate, evidence: Evidence) -> int:
    """How many raters the votes column has; a plate without columns has those the feature names."""
    try:
        column: Tensor = getattr(cases, evidence.name)
    except AttributeError:
        return len(evidence.feature.raters)  # type: ignore[attr-defined]
    return int(column.shape[1])


@dataclass(frozen=True)
class DawidSkene(Evidence):
    """Site ``<name>_confusion`` (classes, raters, votes).

    diagonal, elsewhere: Dirichlet parameters of a row for the right and for each wrong answer.
    """

    diagonal: float = 3.0
    elsewhere: float = 1.5

    accepts = (Feature,)

    def tuned(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, r = len(cases.classes), raters_in(cases, self)
        heavy = _heavy(k, self.diagonal, self.elsewhere)
        rows = dist.Dirichlet(heavy[:, None, :].expand(k, r, k)).to_event(2)
        log_confusion = torch.log(pyro.sample(f"{self.name}_confusion", rows))

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, laws.RaterVotes(log_confusion[y]))

        return observe


@dataclass(frozen=True)
class Hierarchical(Evidence):
    """Log-odds of a right answer: the crowd's, then the rater's, then the rater's for each class.

        crowd ~ N(1.2, .7),  a_j ~ N(0, ability_scale),  logit p_jk ~ N(crowd + a_j, bias_scale)

    bias_scale is fixed: it says how far a rater's two error rates may lie apart, which a rare class cannot tell.
    Sites ``<name>_crowd`` (), ``_ability`` (raters,), ``_logit`` (raters, classes), the scale
    ``_ability_scale`` (), and beyond two classes ``_wrong`` (classes, classes - 1), how wrong
    answers spread over the other classes, in their order.
    """

    bias_scale: float = 0.3

    accepts = (Feature,)

    def tuned(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, r, n = len(cases.classes), raters_in(cases, self), self.name
        crowd = pyro.sample(f"{n}_crowd", dist.Normal(1.2, 0.7))
        spread = pyro.sample(f"{n}_ability_scale", dist.LogNormal(-0.7, 0.5))
        ability = pyro.sample(f"{n}_ability", dist.Normal(0.0, spread).expand([r]).to_event(1))
        center = (crowd + ability)[:, None].expand(r, k)
        logit = pyro.sample(f"{n}_logit", dist.Normal(center, self.bias_scale).to_event(2))
        right = torch.nn.functional.logsigmoid(logit).mT[..., None]
        miss = torch.nn.functional.logsigmoid(-logit).mT[..., None]
        wrong = torch.zeros(k, 1, k - 1)
        if k > 2:
            shares = dist.Dirichlet(torch.full((k, k - 1), 2.0)).to_event(1)
            wrong = torch.log(pyro.sample(f"{n}_wrong", shares))[:, None, :]
        # the right answer first, then the others; `order` puts the right one on the diagonal
        answers = torch.cat([right, (miss + wrong).expand(k, r, k - 1)], -1)
        order = torch.tensor([[0 if c == i else c + (c < i) for c in range(k)] for i in range(k)])
        log_confusion = answers.gather(-1, order[:, None, :].expand(k, r, k))

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, laws.RaterVotes(log_confusion[y]))

        return observe


@dataclass(frozen=True)
class SharedErrors(Evidence):
    """Sites ``<name>_answer`` (classes, groups, answers) and ``<name>_slip`` (members, answers, votes).

    groups: rater codes of each group that shares errors; None looks for them in the table (`tuned`) and takes
    all raters as independent until then. Raters not named are alone, and repeat their own answer exactly.
    """

    groups: tuple[tuple[int, ...], ...] | None = None
    diagonal: float = 3.0
    elsewhere: float = 1.5

    accepts = (Feature,)

    def check(self, column: Column, classes: tuple[str, ...]) -> Dependence:
        """Which raters of ``column`` share errors, in words in its `message`."""
        matrix = np.where(column.cases_observed.numpy()[:, None], column.values.numpy(), -1)
        votes = Votes.from_matrix(matrix.astype(np.int64), len(classes))
        return dependence(replace(votes, classes=classes))

    def tuned(self, columns: Mapping[str, Column]) -> Self:
        if self.groups is not None:
            return self
        column = columns[self.name]
        classes = tuple(map(str, range(int(column.values.max()) + 1)))
        return replace(self, groups=self.check(column, classes).groups)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, r = len(cases.classes), raters_in(cases, self)
        groups = complete_groups(self.groups or (), r)
        members = [j for group in groups if len(group) > 1 for j in group]
        heavy = _heavy(k, self.diagonal, self.elsewhere)
        rows = dist.Dirichlet(heavy[:, None, :].expand(k, len(groups), k)).to_event(2)
        log_answer = torch.log(pyro.sample(f"{self.name}_answer", rows))
        if not members:
            alone = log_answer[:, [groups.index((j,)) for j in range(r)]]
            return lambda y: pyro.sample(self.name, laws.RaterVotes(alone[y]))
        slips = dist.Dirichlet(_heavy(k, 9.0, 1.0).expand(len(members), k, k)).to_event(2)
        log_slip = torch.log(pyro.sample(f"{self.name}_slip", slips))
        exact = torch.where(torch.eye(k, dtype=torch.bool), 0.0, -1e6).expand(1, k, k)
        place = [members.index(j) if j in members else len(members) for j in range(r)]
        everyone = torch.cat([log_slip, exact.to(log_slip)])[place]

        def observe(y: Tensor) -> Tensor:
            one = everyone.expand((*y.shape, *everyone.shape))
            return pyro.sample(self.name, laws.SharedErrorVotes(log_answer[y], one, groups))

        return observe


@dataclass(frozen=True)
class Glad(Evidence):
    """Sites ``<name>_ability`` (raters,) and ``<name>_difficulty``, the spread of easiness between cases.

    The easiness of a case, b_i ~ N(0, difficulty), is summed over a Gauss-Hermite grid of `points`, so that a case's own
    difficulty is integrated out instead of fitted.
    """

    points: int = 9

    accepts = (Feature,)

    def tuned(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        k, r = len(cases.classes), raters_in(cases, self)
        ability = pyro.sample(f"{self.name}_ability", dist.Normal(1.0, 1.0).expand([r]).to_event(1))
        spread = pyro.sample(f"{self.name}_difficulty", dist.LogNormal(-0.7, 0.5))
        nodes, weights = np.polynomial.hermite_e.hermegauss(self.points)
        easiness = torch.exp(spread * torch.tensor(nodes))
        strength = easiness[:, None] * ability
        right = torch.nn.functional.logsigmoid(strength)
        wrong = torch.nn.functional.logsigmoid(-strength) - float(np.log(k - 1))
        same = torch.eye(k, dtype=torch.bool)[:, None, None, :]
        # (classes, points, raters, votes)
        log_answers = torch.where(same, right[..., None], wrong[..., None])
        mixture = torch.log(torch.tensor(weights / weights.sum()))

        def observe(y: Tensor) -> Tensor:
            return pyro.sample(self.name, laws.MixedVotes(mixture, log_answers[y]))

        return observe


def _heavy(k: int, diagonal: float, elsewhere: float) -> Tensor:
    return torch.full((k, k), elsewhere) + (diagonal - elsewhere) * torch.eye(k)
