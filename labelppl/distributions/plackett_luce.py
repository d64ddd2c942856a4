"""Plackett-Luce law of a reader's partial order over K classes, ties allowed.

A reader with weights w_k > 0 names the classes one after the other, each time choosing among those left
with probability proportional to weight. What is written down may say less than a full order:

* a tie means that the reader did not say which came first: every order of the tied classes counts;
* an unranked class (rank 0) stands below every ranked one, in no stated order among the unranked.

The likelihood is therefore the probability of all full orders that agree with what was written
(marginalisation, as in Guiver and Snelson, ICML 2009). It is exact: with exponential arrival times
of rates w_k, the tied group G comes before the classes below it (total weight r) with probability

    P(G first) = integral over t of r e^{-r t} prod_{i in G} (1 - e^{-w_i t}) dt,

a smooth integrand in s = log(r t), summed by the trapezoid rule to 1e-9; a group of one is w / (w + r) and
the last group has probability one. This is a coarsening of a full order, not a model of when readers
choose to tie: a law in which ties are outcomes of their own is Davidson-Luce (Firth, Kosmidis and Turner
2019). Source: Plackett, Applied Statistics 24 (1975).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric, broadcast_shapes

_STEP = 1 / 3
_LOW, _HIGH = -24.0, 5.0


class PlackettLuce(Parametric):
    """Plackett-Luce law of a reader's order of the classes, ties allowed; values (batch, classes).

    A value is the rank of each class: 1 is the first choice, equal ranks are ties, 0 is unranked. Samples are full orders
    without ties. Source: Plackett, Applied Statistics 24 (1975); ties as in Guiver and Snelson, ICML 2009.

    Args:
        log_weights: Log weight of each class, up to a constant, (batch, classes).
        ties: False promises that no value holds a tie among ranked classes, which saves the integral.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = PlackettLuce(torch.tensor([2.0, 1.0, 1.0]).log())
        >>> round(law.log_prob(torch.tensor([1.0, 2.0, 2.0])).exp().item(), 3)
        0.5
    """

    arg_constraints = {"log_weights": constraints.real_vector}  # noqa: RUF012
    parameter_dims = {"log_weights": 1}  # noqa: RUF012
    support = constraints.independent(constraints.nonnegative_integer, 1)
    has_rsample = False

    def __init__(
        self, log_weights: Tensor, *, ties: bool = True, validate_args: bool | None = None
    ) -> None:
        self.ties = ties
        self._set_parameters(log_weights.shape[-1:], validate_args, log_weights=log_weights)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.ties = self.ties
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            noise = -torch.log(-torch.log(torch.rand(shape, dtype=self.log_weights.dtype)))
            order = torch.argsort(self.log_weights + noise, dim=-1, descending=True)
            return (torch.argsort(order, dim=-1) + 1).to(self.log_weights.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        shape = broadcast_shapes(value.shape, self.log_weights.shape)
        value, log_w = value.expand(shape), self.log_weights.expand(shape)
        last = torch.where(value > 0, value, torch.full_like(value, torch.inf))
        mine, theirs = last[..., :, None], last[..., None, :]
        never = torch.full_like(log_w, -torch.inf)[..., None, :]
        has_below = (theirs > mine).any(-1)
        log_rest = torch.logsumexp(
            torch.where((theirs > mine) | ~has_below[..., None], log_w[..., None, :], never),
            -1,
        )
        alone = -torch.nn.functional.softplus(log_rest - log_w)
        each = torch.where(has_below, alone, torch.zeros_like(alone))
        tied = (mine == theirs) & has_below[..., None]
        if self.ties and _any(tied.sum(-1) > 1):
            each = _with_ties(each, log_w, log_rest, tied)
        return each.sum(-1)


def _any(where: Tensor) -> bool:
    """Whether it holds anywhere; taken to be so where `vmap` carries the value and it cannot be known."""
    try:
        return bool(where.any())
    except RuntimeError:
        return True


def _with_ties(each: Tensor, log_w: Tensor, log_rest: Tensor, tied: Tensor) -> Tensor:
    """`each` (batch, classes) with the tied classes' shares of their group's log probability instead.

    Only the rankings that hold a tie pay for the integral, where it is known which they are.
    """
    size = tied.sum(-1)
    try:
        rows = (size > 1).any(-1).reshape(-1).nonzero()[:, 0]
    except RuntimeError:
        return torch.where(size > 1, _log_group_first(log_w, log_rest, tied) / size, each)
    k = each.shape[-1]
    some = [part.reshape(-1, k)[rows] for part in (each, log_w, log_rest, size)]
    group = _log_group_first(some[1], some[2], tied.reshape(-1, k, k)[rows])
    shared = torch.where(some[3] > 1, group / some[3].clamp(min=1), some[0])
    merged = each.reshape(-1, k).index_add(0, rows, shared - some[0])
    return merged.reshape(each.shape)


def _log_group_first(log_w: Tensor, log_rest: Tensor, tied: Tensor) -> Tensor:
    """log P(all classes tied with k come before the rest), for every k: (batch, classes)."""
    s = torch.arange(_LOW, _HIGH, _STEP, dtype=log_w.dtype, device=log_w.device)
    relative = torch.exp(log_w[..., None, :] - log_rest[..., :, None])
    arrived = torch.log(-torch.expm1(-relative[..., None] * torch.exp(s)))
    inside = torch.where(tied[..., None], arrived, torch.zeros_like(arrived)).sum(-2)
    log_integrand = s - torch.exp(s) + inside
    return torch.logsumexp(log_integrand, -1) + torch.log(torch.as_tensor(_STEP).to(log_w))
