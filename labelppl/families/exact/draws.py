"""Random numbers that all cases of a block share, so that a case gets the same draws in any table."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from ...arrays import Floats
from ...seeds import Stream

#: What a case may do to the count of a class: be taken out of it, nothing, or be put into it.
CHANGES = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)


def draw_nodes(by_node: Tensor, log_weights: Tensor, chosen: Tensor, numbers: Stream) -> Tensor:
    """(cases, draws) a node of what the classes share for each draw, as if the case had been fitted with its ``chosen`` label.

    by_node (cases, classes, nodes): log p(z | y = k, node, D); log_weights (cases, nodes): of the nodes given D.
    """
    u = torch.rand(chosen.shape[1], generator=numbers.torch(), dtype=torch.float64)
    u = u.expand(len(chosen), -1).contiguous()
    node = torch.zeros_like(chosen)
    for k in torch.bincount(chosen.flatten()).nonzero().flatten().tolist():
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
