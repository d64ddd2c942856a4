"""Summaries of a label posterior: mean, spread, interval, uncertainty split, Dirichlet concentration (docs/methods.md §3).

All take p (cases, classes, draws) of p(Y | Z, theta_s) and weights w (cases, draws), each row summing to one. The draws
are last, where memory is contiguous and a sum over them is one pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def weighted_mean(values: Tensor, w: Tensor) -> Tensor:
    """Weighted mean of ``values`` (cases, classes, draws) over the draws, (cases, classes)."""
    return (values @ w[..., None])[..., 0]


def mean(p: Tensor, w: Tensor) -> Tensor:
    """Posterior predictive p(Y|Z) (cases, classes)."""
    m = weighted_mean(p, w)
    return m / m.sum(-1, keepdim=True)


def sd(p: Tensor, w: Tensor) -> Tensor:
    """Posterior standard deviation of p(Y|Z, theta) (cases, classes)."""
    return weighted_mean((p - mean(p, w)[..., None]).square(), w).sqrt()


def quantiles(p: Tensor, w: Tensor, levels: Sequence[float]) -> list[Tensor]:
    """Weighted quantiles, each (cases, classes): the smallest draw whose cumulative weight reaches the level."""
    # NumPy's argsort is vectorised, which torch's sort is not: three times faster on a CPU.
    order = np.argsort(p.numpy(), axis=-1)
    cumulative = np.take_along_axis(w.numpy()[:, None, :], order, -1).cumsum(-1)
    found = []
    for level in levels:
        at = (cumulative < level * cumulative[..., -1:]).sum(-1, keepdims=True)
        draw = np.take_along_axis(order, at, -1)
        found.append(torch.from_numpy(np.take_along_axis(p.numpy(), draw, -1)[..., 0]))
    return found


def entropy(p: Tensor, axis: int = -1) -> Tensor:
    """Shannon entropy over the classes, in nats."""
    return -torch.xlogy(p, p).sum(axis)


def aleatoric(p: Tensor, w: Tensor) -> Tensor:
    """Expected entropy (cases,): what the measurements leave open even if the parameters were known."""
    return (w * entropy(p, 1)).sum(-1)


def concentration(mean: Tensor, sd: Tensor) -> Tensor:
    """Dirichlet concentration by pooled moments (cases,): sum m(1-m) / sum var - 1, at least 0, infinite if var = 0."""
    return ((mean * (1 - mean)).sum(-1) / sd.square().sum(-1) - 1).clamp(min=0.0)


def mean_log(p: Tensor, w: Tensor) -> Tensor:
    """Posterior mean of log p(Y|Z, theta) (cases, classes); a probability of zero counts as the smallest number."""
    return weighted_mean(torch.log(p.clamp(min=torch.finfo(p.dtype).tiny)), w)


def resampled(p: Tensor, w: Tensor, n: int, offset: float) -> Tensor:
    """``n`` draws of equal weight (cases, classes, n) that stand for p with weights w, by systematic resampling."""
    edges = w.cumsum(-1)
    wanted = (torch.arange(n, dtype=w.dtype) + offset) / n * edges[:, -1:]
    at = torch.searchsorted(edges, wanted).clamp(max=p.shape[-1] - 1)
    return p.gather(-1, at[:, None].expand(-1, p.shape[1], -1))
