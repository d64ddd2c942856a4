"""Counts of votes over K classes: multinomial and Dirichlet-multinomial laws.

    log f(c) = lgamma(n + 1) - sum_k lgamma(c_k + 1) + sum_k c_k log p_k,            n = sum_k c_k
    log f(c) = lgamma(n + 1) - sum_k lgamma(c_k + 1)
               + lgamma(A) - lgamma(n + A) + sum_k lgamma(c_k + a_k) - lgamma(a_k),   A = sum_k a_k

The number of votes of a case is taken as given (it says nothing about the class), so `total_count` is
only needed to simulate. torch's Multinomial has a shape that depends on the value and fails in `vmap`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric, as_tensors, broadcast_shapes

_COUNTS = constraints.independent(constraints.nonnegative_integer, 1)


class VoteMultinomial(Parametric):
    """Votes given class probabilities; values (batch, classes), counts.

        log f(c) = lgamma(n + 1) - sum_k lgamma(c_k + 1) + sum_k c_k log p_k,   n = sum_k c_k

    Args:
        probs: p, rows summing to 1, (batch, classes).
        total_count: Votes of each case, (batch,); needed only to sample.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = VoteMultinomial(torch.tensor([0.5, 0.5]))
        >>> round(law.log_prob(torch.tensor([3.0, 1.0])).exp().item(), 3)
        0.25
    """

    arg_constraints = {"probs": constraints.simplex}  # noqa: RUF012
    parameter_dims = {"probs": 1, "total_count": 0}  # noqa: RUF012
    support = _COUNTS

    def __init__(
        self,
        probs: Tensor,
        total_count: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        total = torch.nan if total_count is None else total_count
        self._set_parameters(probs.shape[-1:], validate_args, probs=probs, total_count=total)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            return _draw_votes(self.probs.expand(shape), self.total_count.expand(shape[:-1]))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return log_arrangements(value) + torch.xlogy(value, self.probs).sum(-1)


class DirichletMultinomial(Parametric):
    """Votes whose class probabilities are Dirichlet; values (batch, classes), counts.

        log f(c) = lgamma(n + 1) - sum_k lgamma(c_k + 1)
                   + lgamma(A) - lgamma(n + A) + sum_k lgamma(c_k + a_k) - lgamma(a_k),   A = sum_k a_k

    Where one concentration serves all cases, lgamma is computed once for each possible count and looked up.

    Args:
        concentration: a > 0, (batch, classes).
        total_count: Votes of each case, (batch,); needed only to sample.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = DirichletMultinomial(torch.tensor([1.0, 1.0]))
        >>> round(law.log_prob(torch.tensor([3.0, 1.0])).exp().item(), 3)
        0.2
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}  # noqa: RUF012
    parameter_dims = {"concentration": 1, "total_count": 0}  # noqa: RUF012
    support = _COUNTS

    def __init__(
        self,
        concentration: Tensor,
        total_count: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        total = torch.nan if total_count is None else total_count
        self._set_parameters(
            concentration.shape[-1:], validate_args, concentration=concentration, total_count=total
        )
        self._common = concentration if concentration.dim() == 1 else None

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new._common = self._common
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            probs = torch.distributions.Dirichlet(self.concentration, validate_args=False).sample(
                torch.Size(sample_shape)
            )
            return _draw_votes(probs, self.total_count.expand(shape[:-1]))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration if self._common is None else self._common
        (value,) = as_tensors(value.to(a.dtype))
        total = value.sum(-1)
        if self._common is None:
            votes, all_votes = _log_rising(a, value), _log_rising(a.sum(-1), total)
        else:
            votes = _look_up(a, value)
            all_votes = _look_up(a.sum(-1, keepdim=True), total[..., None])[..., 0]
        log_prob = log_arrangements(value) + votes.sum(-1) - all_votes
        return log_prob.expand(broadcast_shapes(self.batch_shape, value.shape[:-1]))


def _log_rising(a: Tensor, n: Tensor) -> Tensor:
    """log of a (a + 1) ... (a + n - 1)."""
    return torch.lgamma(a + n) - torch.lgamma(a)


def _look_up(a: Tensor, counts: Tensor) -> Tensor:
    """`_log_rising` of a (columns,) at whole counts (batch, columns), from a table over the counts that occur."""
    most = int(counts.max()) if counts.numel() else 0
    if most >= counts.numel() // max(1, len(a)):
        return _log_rising(a, counts)
    table = _log_rising(a[:, None], torch.arange(most + 1, dtype=a.dtype, device=a.device))
    return table[torch.arange(len(a), device=a.device), counts.long()]


def log_arrangements(counts: Tensor) -> Tensor:
    """Log number of vote sequences with these counts (batch, classes) -> (batch)."""
    counts = counts.to(torch.get_default_dtype()) if not counts.is_floating_point() else counts
    return torch.lgamma(counts.sum(-1) + 1) - torch.lgamma(counts + 1).sum(-1)


def _draw_votes(probs: Tensor, total: Tensor) -> Tensor:
    """Multinomial draw with a total that may differ by case, as a chain of binomials."""
    if bool(total.isnan().any()):
        raise ValueError("votes cannot be simulated without total_count, the votes of each case")
    left = total.to(probs.dtype)
    rest = torch.ones_like(left)
    columns = []
    for k in range(probs.shape[-1] - 1):
        share = (probs[..., k] / rest.clamp(min=1e-300)).clamp(0, 1)
        drawn = torch.binomial(left.contiguous(), share.contiguous())
        columns.append(drawn)
        left = left - drawn
        rest = rest - probs[..., k]
    return torch.stack([*columns, left], -1)
