"""Log densities that are evaluated more exactly or faster than torch evaluates them.

Von Mises and Beta are exponential families, log f = sum_j eta_j(theta) T_j(x): one matrix product over draws and cases where
all cases share the parameters. Their normalisers are exact (torch's polynomial for the Bessel function is off by up to 5e-7,
docs/methods.md §2). Multivariate normal: one triangular solve for all cases that share a covariance. Every other distribution uses
its own ``log_prob``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyro.distributions as dist
import torch
from torch import Tensor


def log_density(fn: Any, value: Any, observed: Tensor | None = None) -> Tensor:
    """``fn.log_prob(value)``, by a closed form where there is a better one; 0 for cases that are not ``observed``."""
    natural = _NATURAL.get(type(fn).log_prob)
    if natural is not None:
        return linear(*natural(fn, value), observed)
    better = _BETTER.get(type(fn).log_prob)
    result: Tensor = fn.log_prob(value) if better is None else better(fn, value)
    return result if observed is None else torch.where(observed, result, 0.0)


class ExponentialFamily(NamedTuple):
    """A log density constant + sum_j eta_j T_j: natural parameters, () or (cases,), and statistics (cases,)."""

    natural: Sequence[Tensor]
    statistics: Sequence[Tensor]
    constant: Tensor


def linear(
    natural: Sequence[Tensor],
    statistics: Sequence[Tensor],
    constant: Tensor,
    observed: Tensor | None = None,
) -> Tensor:
    """constant + sum_j eta_j T_j for each case, 0 for those that are not ``observed`` (cases,)."""
    if constant.dim() == 0 and statistics[0].dim() == 1:
        table = torch.stack([*statistics, torch.ones_like(statistics[0])])
        table = table if observed is None else torch.where(observed, table, 0.0)
        return torch.stack(torch.broadcast_tensors(*natural, constant)) @ table
    terms = (eta * t for eta, t in zip(natural, statistics, strict=True))
    result: Tensor = sum(terms, start=constant)
    return result if observed is None else torch.where(observed, result, 0.0)


def von_mises_form(value: Tensor, loc: Tensor, concentration: Tensor) -> ExponentialFamily:
    """kappa cos(x - mu) - log(2 pi I0(kappa)), linear in cos x and sin x; its rounding error grows with kappa."""
    constant = concentration + torch.log(2 * math.pi * torch.special.i0e(concentration))
    natural = (concentration * torch.cos(loc), concentration * torch.sin(loc))
    return ExponentialFamily(natural, (torch.cos(value), torch.sin(value)), -constant)


def _von_mises(fn: Any, value: Tensor) -> ExponentialFamily:
    return von_mises_form(value, fn.loc, fn.concentration)


def _beta(fn: Any, value: Tensor) -> ExponentialFamily:
    a, b = fn.concentration1, fn.concentration0
    constant = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    return ExponentialFamily((a - 1, b - 1), (torch.log(value), torch.log1p(-value)), constant)


def _multivariate_normal(fn: Any, value: Tensor) -> Tensor:
    root, loc = fn._unbroadcasted_scale_tril, fn.loc
    d = loc.shape[-1]
    log_det = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = log_det + 0.5 * d * math.log(2 * math.pi)
    if root.dim() > 2 and root.shape[-3] > 1:
        white = torch.linalg.solve_triangular(root, (value - loc).unsqueeze(-1), upper=False)
        return -0.5 * white.squeeze(-1).square().sum(-1) - constant
    root = root.reshape(root.shape[-2:])
    white = torch.linalg.solve_triangular(root, (value - loc).mT, upper=False)
    return -0.5 * white.square().sum(-2) - constant


def natural_form(log_prob: Any, form: Callable[[Any, Tensor], ExponentialFamily]) -> None:
    """Have ``form`` (distribution, value) take the place of the method ``log_prob`` of a distribution."""
    _NATURAL[log_prob] = form


# By the method they replace, so that subclasses with a density of their own keep it.
_NATURAL: dict[Any, Callable[[Any, Tensor], ExponentialFamily]] = {
    dist.Beta.log_prob: _beta,
    dist.VonMises.log_prob: _von_mises,
}
_BETTER: dict[Any, Callable[[Any, Tensor], Tensor]] = {
    dist.MultivariateNormal.log_prob: _multivariate_normal,
}
