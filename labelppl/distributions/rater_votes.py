"""Votes of many raters about one item, given its class: independent errors, or errors shared within groups.

    independent:  log p(v) = sum over raters j who voted of log C_j[y, v_j]
    shared:       log p(v) = sum_g log sum_u A_g[y, u] prod over members j who voted of B_j[u, v_j]

A rater who gave no vote adds nothing: who votes on what is taken to say nothing about the class. Values are
`labelppl.features.Ballots`, so that only the votes that exist are touched and thousands of raters with a few votes each
stay cheap; for the same reason a law is given the table of all classes and the class ``row`` of each item, rather than a
table for each item. See `crowds.confusion_em` and `crowds.shared_error_em` for the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import Categorical, constraints

from ..features import Ballots
from ._base import as_tensors
from ._sum_of_votes import sum_of_votes


class _Votes(constraints.Constraint):
    """Ballots whose votes are codes below ``classes``; `check` gives (items,)."""

    is_discrete = True
    event_dim = 1

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def check(self, value: Ballots) -> Tensor:
        wrong = (value.said < 0) | (value.said >= self.classes)
        return torch.bincount(value.case[wrong], minlength=len(value)) == 0


class _BallotLaw(TorchDistribution):
    """A law of `Ballots`, one for each item.

    row: (batch,) the class of each item, or one for all. design: who votes on what when votes are drawn; without it every
    rater votes on every item. Subclasses set ``classes`` and implement `log_prob` and `draw`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    classes: int

    def __init__(
        self, row: Tensor | int, raters: int, design: Ballots | None, validate_args: bool | None
    ) -> None:
        self.row, self.design = torch.as_tensor(row), design
        super().__init__(self.row.shape, torch.Size([raters]), validate_args=validate_args)

    @property
    def support(self) -> _Votes:
        return _Votes(self.classes)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(type(self), _instance)
        new.__dict__.update(self.__dict__)
        batch = torch.Size(batch_shape)
        new.row = self.row.expand(batch)
        TorchDistribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = ()) -> Any:
        """`Ballots` for the items (batch,); one draw only."""
        if len(sample_shape) or len(self.batch_shape) > 1:
            raise ValueError("votes are drawn once for each item of one plate")
        items = self.batch_shape.numel()
        design = self.design
        if design is None or len(design) != items:
            design = Ballots.everyone(items, self.event_shape[0])
        with torch.no_grad():
            return design.saying(self.draw(design, self.row.reshape(-1).expand(items)))

    def draw(self, design: Ballots, row: Tensor) -> Tensor:
        """The votes (ballots,) of ``design`` when the items' classes are ``row`` (items,)."""
        raise NotImplementedError


class RaterVotes(_BallotLaw):
    """Votes of raters whose errors are independent given the class; values are `Ballots`.

        log p(v) = sum over raters j who voted of log C_j[y, v_j]

    Args:
        log_probs: log C, of each answer of each rater, for each class ``row`` an item may have, (rows, raters, classes); where
            ``strangers``, one rater more, for all whose code is not below the number of raters.
        row: The class y of each item, (batch,), or one for all.
        design: Who votes on what when votes are drawn; without it every rater votes on every item.
        weights: What a vote of each rater of ``log_probs`` counts in the density, (raters,), as 1 / m for m raters who repeat
            each other; votes are drawn as if each counted 1.
        strangers: Whether the last rater of ``log_probs`` stands for raters who were not in the fit.
        validate_args: Whether values are checked; None as torch does.

    Examples:
        >>> confusion = torch.tensor([[[0.9, 0.1], [0.8, 0.2]], [[0.1, 0.9], [0.2, 0.8]]])
        >>> ballots = Ballots.everyone(1, 2).saying(torch.tensor([0, 0]))
        >>> law = RaterVotes(confusion.log(), torch.tensor([0]))
        >>> round(law.log_prob(ballots).exp().item(), 3)
        0.72
    """

    def __init__(
        self,
        log_probs: Tensor,
        row: Tensor | int,
        *,
        design: Ballots | None = None,
        strangers: bool = False,
        weights: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        (self.log_probs,) = as_tensors(log_probs)
        self.counted = self.log_probs if weights is None else self.log_probs * weights[:, None]
        self.classes = log_probs.shape[-1]
        super().__init__(row, log_probs.shape[-2] - strangers, design, validate_args)

    def draw(self, design: Ballots, row: Tensor) -> Tensor:
        logits = self.log_probs[row[design.case], design.rater]
        return Categorical(logits=logits, validate_args=False).sample()

    def log_prob(self, value: Ballots) -> Tensor:
        possible = value.said < self.classes
        label = value.said.clamp(max=self.classes - 1)
        if self.row.dim() == 0:
            table = self.counted[self.row]
            if bool(possible.all()):
                return sum_of_votes(table, value.case, value.rater, label, len(value))
            per_vote = table[value.rater, label]
        else:
            per_vote = self.counted[self.row[..., value.case], value.rater, label]
        per_vote = torch.where(possible, per_vote, -torch.inf)
        zeros = per_vote.new_zeros((*per_vote.shape[:-1], len(value)))
        return zeros.index_add(-1, value.case, per_vote)


class SharedErrorVotes(_BallotLaw):
    """Votes of raters in groups that repeat a hidden answer; values are `Ballots`.

        log p(v) = sum_g log sum_u A_g[y, u] prod over members j who voted of B_j[u, v_j]

    Args:
        log_answer: log A_g[y, u], (rows, groups, answers).
        log_slip: log B_j, (raters, answers, classes); of raters who are alone it is not used.
        groups: Rater codes by group, every rater in exactly one.
        row: The class y of each item, (batch,), or one for all.
        design: Who votes on what when votes are drawn; without it every rater votes on every item.
        validate_args: Whether values are checked; None as torch does.

    Examples:
        >>> answer = torch.tensor([[[0.8, 0.2]], [[0.2, 0.8]]])
        >>> slip = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).expand(2, 2, 2)
        >>> law = SharedErrorVotes(answer.log(), slip.log(), [[0, 1]], torch.tensor([0]))
        >>> round(law.log_prob(Ballots.everyone(1, 2).saying(torch.tensor([0, 0]))).exp().item(), 3)
        0.65
    """

    def __init__(
        self,
        log_answer: Tensor,
        log_slip: Tensor,
        groups: Sequence[Sequence[int]],
        row: Tensor | int,
        *,
        design: Ballots | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.log_answer, self.log_slip = as_tensors(log_answer, log_slip)
        self.groups = tuple(tuple(g) for g in groups)
        self.classes = log_slip.shape[-1]
        raters = log_slip.shape[0]
        self.group = torch.empty(raters, dtype=torch.long)
        self.together = torch.zeros(raters, dtype=torch.bool)
        for g, group in enumerate(self.groups):
            self.group[list(group)] = g
            self.together[list(group)] = len(group) > 1
        super().__init__(row, raters, design, validate_args)

    def draw(self, design: Ballots, row: Tensor) -> Tensor:
        # One hidden answer for each item and group that has a vote.
        keys, which = torch.unique(
            design.case * len(self.groups) + self.group[design.rater], return_inverse=True
        )
        item, group = keys // len(self.groups), keys % len(self.groups)
        logits = self.log_answer[row[item], group]
        hidden = Categorical(logits=logits, validate_args=False).sample()[which]
        slips = Categorical(logits=self.log_slip[design.rater, hidden], validate_args=False)
        return torch.where(self.together[design.rater], slips.sample(), hidden)

    def log_prob(self, value: Ballots) -> Tensor:
        alone = RaterVotes(self.log_answer[:, self.group], self.row, validate_args=False)
        total = alone.log_prob(value.of_raters(~self.together))
        slips = self.log_slip.movedim(1, 0)
        for g, group in enumerate(self.groups):
            if len(group) == 1:
                continue
            votes = value.of_raters(self.group == g)
            answers = range(self.log_answer.shape[-1])
            hidden = [
                self.log_answer[self.row, g, u]
                + RaterVotes(slips, u, validate_args=False).log_prob(votes)
                for u in answers
            ]
            total = total + torch.logsumexp(torch.stack(torch.broadcast_tensors(*hidden), -1), -1)
        return total


class MixedVotes(_BallotLaw):
    """Votes whose probabilities depend on a hidden level of the item, summed out; values are `Ballots`.

    Args:
        log_weights: Log probability of each level, (levels,).
        log_probs: Log probability of each answer, (rows, levels, raters, classes).
        row: The class of each item, (batch,), or one for all.
        design: Who votes on what when votes are drawn; without it every rater votes on every item.
        validate_args: Whether values are checked; None as torch does.

    Examples:
        >>> easy, hard = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
        >>> probs = torch.stack([torch.stack([easy, hard]), torch.stack([1 - easy, hard])])
        >>> law = MixedVotes(torch.tensor([0.5, 0.5]).log(), probs.log(), torch.tensor([0]))
        >>> round(law.log_prob(Ballots.everyone(1, 1).saying(torch.tensor([0]))).exp().item(), 3)
        0.7
    """

    def __init__(
        self,
        log_weights: Tensor,
        log_probs: Tensor,
        row: Tensor | int,
        *,
        design: Ballots | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.log_weights, self.log_probs = as_tensors(log_weights, log_probs)
        self.classes = log_probs.shape[-1]
        super().__init__(row, log_probs.shape[-2], design, validate_args)

    def draw(self, design: Ballots, row: Tensor) -> Tensor:
        law = Categorical(logits=self.log_weights, validate_args=False)
        level = law.sample((len(design),))
        logits = self.log_probs[row[design.case], level[design.case], design.rater]
        return Categorical(logits=logits, validate_args=False).sample()

    def log_prob(self, value: Ballots) -> Tensor:
        levels = [
            self.log_weights[m]
            + RaterVotes(self.log_probs[:, m], self.row, validate_args=False).log_prob(value)
            for m in range(len(self.log_weights))
        ]
        return torch.logsumexp(torch.stack(levels, -1), -1)
