"""Votes of many raters about one item, given its class: independent errors, or errors shared within groups.

    independent:  log p(v) = sum over raters j who voted of log C_j[v_j]
    shared:       log p(v) = sum_g log sum_u A_g[u] prod over members j who voted of B_j[u, v_j]

A rater who gave no vote (code -1) adds nothing: who votes on what is taken to say nothing about the class. Only
the votes that exist are touched, so that thousands of raters with a few votes each stay cheap. See
`crowds.confusion_em` and `crowds.shared_error_em` for the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric, broadcast_shapes
from ._sum_of_votes import sum_of_votes

_CODES = constraints.independent(constraints.integer_interval(-1, 2**31), 1)


class RaterVotes(Parametric):
    """Codes (batch, raters), -1 for no vote; `log_probs` (batch, raters, classes) of each answer."""

    arg_constraints = {"log_probs": constraints.independent(constraints.real, 2)}  # noqa: RUF012
    parameter_dims = {"log_probs": 2}  # noqa: RUF012
    support = _CODES

    def __init__(self, log_probs: Tensor, *, validate_args: bool | None = None) -> None:
        self._set_parameters(log_probs.shape[-2:-1], validate_args, log_probs=log_probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            law = torch.distributions.Categorical(logits=self.log_probs, validate_args=False)
            return law.sample(torch.Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = value.long()
        if value.dim() != 2:
            return _dense(value, self.log_probs).sum(-1)
        item, rater = (value >= 0).nonzero(as_tuple=True)
        label, last = value[item, rater], self.log_probs.shape[-1] - 1
        if self.log_probs.dim() == 2 and bool((label <= last).all()):
            return sum_of_votes(self.log_probs, item, rater, label, len(value))
        per_vote = _of_votes(self.log_probs, item, rater, label.clamp(max=last))
        per_vote = torch.where(label <= last, per_vote, -torch.inf)
        return value.new_zeros(len(value), dtype=per_vote.dtype).index_add(0, item, per_vote)


class SharedErrorVotes(Parametric):
    """Codes (batch, raters), -1 for no vote, of raters in groups that repeat a hidden answer.

    log_answer (batch, groups, answers) = log A_g[u]; log_slip (batch, raters, answers, classes) = log B_j;
    groups: rater codes by group, every rater in exactly one.
    """

    arg_constraints = {  # noqa: RUF012
        "log_answer": constraints.independent(constraints.real, 2),
        "log_slip": constraints.independent(constraints.real, 3),
    }
    parameter_dims = {"log_answer": 2, "log_slip": 3}  # noqa: RUF012
    support = _CODES

    def __init__(
        self,
        log_answer: Tensor,
        log_slip: Tensor,
        groups: Sequence[Sequence[int]],
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.groups = tuple(tuple(g) for g in groups)
        self._set_parameters(
            log_slip.shape[-3:-2], validate_args, log_answer=log_answer, log_slip=log_slip
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.groups = self.groups
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            hidden = torch.distributions.Categorical(
                logits=self.log_answer, validate_args=False
            ).sample(torch.Size(sample_shape))
            member = torch.empty(self.log_slip.shape[-3], dtype=torch.long)
            for g, group in enumerate(self.groups):
                member[list(group)] = g
            said = hidden[..., member]
            rows = self.log_slip.expand((*said.shape, *self.log_slip.shape[-2:]))
            at = said[..., None, None].expand((*said.shape, 1, rows.shape[-1]))
            logits = rows.gather(-2, at)[..., 0, :]
            return torch.distributions.Categorical(logits=logits, validate_args=False).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = value.long()
        total: Tensor | float = 0.0
        answers = range(self.log_answer.shape[-1])
        for g, group in enumerate(self.groups):
            votes, slip = value[..., list(group)], self.log_slip[..., list(group), :, :]
            hidden = [
                self.log_answer[..., g, u]
                + RaterVotes(slip[..., u, :], validate_args=False).log_prob(votes)
                for u in answers
            ]
            total = total + torch.logsumexp(torch.stack(torch.broadcast_tensors(*hidden), -1), -1)
        return torch.as_tensor(total)


def _of_votes(log_probs: Tensor, item: Tensor, rater: Tensor, label: Tensor) -> Tensor:
    """Log probability of each vote (votes,), the parameters being one set or one per item."""
    if log_probs.dim() == 2:
        return log_probs[rater, label]
    own = item if log_probs.shape[-3] > 1 else torch.zeros_like(item)
    return log_probs[own, rater, label]


def _dense(value: Tensor, log_probs: Tensor) -> Tensor:
    """Log probability of each vote (..., raters), zero where there is none."""
    shape = broadcast_shapes(value.shape, log_probs.shape[:-1])
    rows = log_probs.expand((*shape, log_probs.shape[-1]))
    at = value.expand(shape)
    picked = rows.gather(-1, at.clamp(min=0)[..., None])[..., 0]
    return torch.where(at >= 0, picked, torch.zeros_like(picked))


class MixedVotes(Parametric):
    """Codes (batch, raters) whose answer probabilities depend on a hidden level of the item, summed out.

    log_weights (levels,); log_probs (batch, levels, raters, classes).
    """

    arg_constraints = {  # noqa: RUF012
        "log_weights": constraints.independent(constraints.real, 1),
        "log_probs": constraints.independent(constraints.real, 3),
    }
    parameter_dims = {"log_weights": 1, "log_probs": 3}  # noqa: RUF012
    support = _CODES

    def __init__(
        self, log_weights: Tensor, log_probs: Tensor, *, validate_args: bool | None = None
    ) -> None:
        self._set_parameters(
            log_probs.shape[-2:-1], validate_args, log_weights=log_weights, log_probs=log_probs
        )

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            level = torch.distributions.Categorical(
                logits=self.log_weights, validate_args=False
            ).sample(torch.Size(sample_shape))
            shape = (*level.shape, *self.log_probs.shape[-3:])
            at = level[..., None, None, None].expand((*level.shape, 1, *shape[-2:]))
            logits = self.log_probs.expand(shape).gather(-3, at)[..., 0, :, :]
            return torch.distributions.Categorical(logits=logits, validate_args=False).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        levels = [
            self.log_weights[..., m]
            + RaterVotes(self.log_probs[..., m, :, :], validate_args=False).log_prob(value)
            for m in range(self.log_weights.shape[-1])
        ]
        return torch.logsumexp(torch.stack(torch.broadcast_tensors(*levels), -1), -1)
