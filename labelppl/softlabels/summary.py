"""Summaries of a label posterior: mean, spread, interval, uncertainty split, Dirichlet concentration (METHODS §3).

All take draws p (draws, cases, classes) of p(Y | Z, theta_s) and weights w (draws, cases), each column summing to one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mean(p: Tensor, w: Tensor) -> Tensor:
    """Posterior predictive p(Y|Z) (cases, classes)."""
    m = torch.einsum("sn,snk->nk", w, p)
    return m / m.sum(-1, keepdim=True)


def sd(p: Tensor, w: Tensor) -> Tensor:
    """Posterior standard deviation of p(Y|Z, theta) (cases, classes)."""
    deviation = p - mean(p, w)
    return torch.einsum("sn,snk->nk", w, deviation**2).sqrt()


def quantiles(p: Tensor, w: Tensor, levels: Sequence[float]) -> list[Tensor]:
    """Weighted quantiles, each (cases, classes): the smallest draw whose cumulative weight reaches the level."""
    ordered, order = p.permute(1, 2, 0).contiguous().sort(-1)
    cumulative = w.T.contiguous()[:, None].expand_as(ordered).gather(-1, order).cumsum(-1)
    wanted = torch.tensor(levels, dtype=p.dtype) * cumulative[..., -1:]
    at = torch.searchsorted(cumulative, wanted).clamp(max=len(p) - 1)
    return list(ordered.gather(-1, at).unbind(-1))


def entropy(p: Tensor) -> Tensor:
    """Shannon entropy over the last axis, in nats."""
    return -torch.xlogy(p, p).sum(-1)


def aleatoric(p: Tensor, w: Tensor) -> Tensor:
    """Expected entropy (cases,): what the measurements leave open even if the parameters were known."""
    return (w * entropy(p)).sum(0)


def concentration(p: Tensor, w: Tensor) -> Tensor:
    """Dirichlet concentration by pooled moments (cases,): sum m(1-m) / sum var - 1, at least 0, infinite if var = 0."""
    m = mean(p, w)
    variance = (sd(p, w) ** 2).sum(-1)
    return ((m * (1 - m)).sum(-1) / variance - 1).clamp(min=0.0)
