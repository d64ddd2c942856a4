"""Raters who repeat each other: groups with one hidden answer, and what the votes say through it.

    p(votes | y = k) = prod over groups g of sum_u A_g[k, u] prod over members j who voted of B_j[u, v_j]
    B_j[u, v] = 1 - e_j where v = u, else e_j / (classes - 1);      e_j ~ Beta(2, 18)

A_g is the confusion matrix of the group, e_j how often a member slips from the group's answer (`crowds.shared_error_em`). A
rater alone is a group of one that repeats its own answer exactly. Four near-duplicates of one source then count as about
one source; where nobody repeats anybody this is Dawid and Skene's model. Who repeats whom is looked for in the table
(`crowds.dependence`) unless it is given. Sources: Dawid and Skene (1979); Varma et al. (ICML 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..crowds.dependence import Dependence, dependence
from ..crowds.shared_error_em import complete_groups
from ..features import Column, Feature
from ..model import CasePlate
from .law import Law
from .rater_models import design_of, heavy, raters_in

RaterGroups = tuple[tuple[int, ...], ...]

#: Beta parameters of the share of a member's answers that are not the group's.
SLIP = 2.0, 18.0


@dataclass(frozen=True)
class Grouped(Law):
    """Votes of raters in groups; subclasses say what the groups' confusion matrices are made of.

    groups: rater codes of each group that shares errors; None looks for them in the table (`tune`) and takes all raters as
    independent until then. Raters not named are alone. Site ``<name>_slip`` (members,), where there are groups.
    """

    groups: RaterGroups | None = None

    accepts = (Feature,)

    def check(self, column: Column, classes: tuple[str, ...]) -> Dependence:
        """Which raters of ``column`` share errors, in words in its `message`."""
        assert column.ballots is not None
        items = np.arange(len(column.ballots))
        return dependence(column.ballots.table(items, column.names, classes))

    def tune(self, columns: Mapping[str, Column]) -> Self:
        if self.groups is not None:
            return self
        column = columns[self.name]
        assert column.ballots is not None
        classes = tuple(map(str, range(1 + int(column.ballots.said.max()))))
        return replace(self, groups=self.check(column, classes).groups)

    def sources(self, cases: CasePlate) -> RaterGroups:
        """The groups of several raters, then every other rater alone, in order."""
        several = [group for group in self.groups or () if len(group) > 1]
        return complete_groups(several, raters_in(cases, self))

    def through(
        self, log_answer: Callable[[Tensor], Tensor], cases: CasePlate, groups: RaterGroups
    ) -> Callable[[Tensor], Any]:
        """Samples the slips; returns the law of the votes.

        log_answer: log A of some classes (rows,) -> (rows, groups, answers).
        """
        k, r, design = len(cases.classes), sum(map(len, groups)), design_of(cases, self)

        def rows(y: Tensor) -> tuple[Tensor, Tensor]:
            """log A of the classes in ``y``, and where each item's stands in it: a run for one class does not make all."""
            if y.dim() == 0:
                return log_answer(y[None].long()), torch.zeros((), dtype=torch.long)
            return log_answer(torch.arange(k)), y.long()

        members = [j for group in groups if len(group) > 1 for j in group]
        if not members:
            return lambda y: pyro.sample(self.name, laws.RaterVotes(*rows(y), design=design))
        slip = pyro.sample(f"{self.name}_slip", dist.Beta(*SLIP).expand([len(members)]).to_event(1))
        same = torch.eye(k, dtype=torch.bool)
        kept, moved = torch.log1p(-slip), torch.log(slip) - math.log(k - 1)
        log_slip = torch.where(same, kept[:, None, None], moved[:, None, None])
        # Raters who are alone do not slip from themselves; any row stands for them.
        everyone = log_slip[[members.index(j) if j in members else 0 for j in range(r)]]

        def observe(y: Tensor) -> Any:
            table, row = rows(y)
            law = laws.SharedErrorVotes(table, everyone, groups, row, design=design)
            return pyro.sample(self.name, law)

        return observe


@dataclass(frozen=True)
class SharedErrors(Grouped):
    """The law of votes given the class, where raters in a group repeat each other.

    The sites are ``<name>_answer`` (classes, groups, answers), rows Dirichlet as in `DawidSkene`, and ``<name>_slip``
    (members,), where there are groups of several raters. Sources: Dawid and Skene (1979); Varma et al. (ICML 2019).

    Args:
        feature: A `Votes` feature.
        typical: Not used; votes have no such size.
        name: The column; `with_name` sets it.
        groups: Rater codes of each group that shares errors; raters not named are alone. None looks for the groups in
            the table.
        diagonal: Dirichlet parameter of the right answer in a row of a group's confusion matrix.
        elsewhere: Dirichlet parameter of each wrong answer.

    Raises:
        InputError: For something that is no feature.

    Examples:
        >>> from labelppl.families import independent
        >>> votes = SharedErrors(Votes("ann", "bob", "cid"), groups=((0, 1),))
        >>> sorted(independent(truth=Label("no", "yes"), votes=votes).features)
        ['votes']
    """

    diagonal: float = 3.0
    elsewhere: float = 1.5

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Any]:
        k, groups = len(cases.classes), self.sources(cases)
        prior = heavy(k, self.diagonal, self.elsewhere)
        rows = dist.Dirichlet(prior[:, None, :].expand(k, len(groups), k)).to_event(2)
        log_answer = torch.log(pyro.sample(f"{self.name}_answer", rows))
        return self.through(lambda which: log_answer[which], cases, groups)
