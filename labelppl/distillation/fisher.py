"""Diagonal Fisher information of a student on the hard labels: how sure the data are of each weight."""

from __future__ import annotations

from torch import Tensor, nn

from ..training.source import Source
from ..training.weight_prior import diagonal_fisher
from .lam_evidence import gradients


def fisher_weights(network: nn.Module, source: Source, hard: Tensor) -> dict[str, Tensor]:
    """By parameter name, over the labelled cases; hard (cases,) int64, -1 = unlabelled."""
    seen = (hard >= 0).nonzero().squeeze(1)
    device = next(network.parameters()).device
    return diagonal_fisher(gradients(network, source.take(seen), hard[seen], device), len(seen))
