"""What the last layer's posterior adds to p(Y|X), in operations that an ONNX graph has.

The numbers are those of `labelppl.students.weight_posterior.spread`; triangular systems are solved beforehand, the
Cholesky root is written out column by column, because ONNX has neither.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..students.weight_posterior import (
    Full,
    WeightPosterior,
    standard_normal_levels,
    standard_normal_points,
)

Widths = tuple[Tensor, Tensor]
"""The mean (cases, classes), and epistemic (cases,)."""


class Covariance(nn.Module):
    """V (cases, outputs, outputs) float64 of what enters the last layer, (cases, inputs)."""

    def __init__(self, posterior: WeightPosterior, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.full = isinstance(posterior, Full)
        if isinstance(posterior, Full):
            root = posterior.cholesky.double()
            inverse = torch.linalg.solve_triangular(
                root, torch.eye(len(root), dtype=root.dtype), upper=False
            )
            self.width = len(root) // outputs
            self.register_buffer("inverse", inverse.reshape(len(root), outputs, self.width))
        else:
            a, b = posterior.input_values.double(), posterior.output_values.double()
            self.width = len(a)
            self.register_buffer("inputs", posterior.inputs.double())
            self.register_buffer("axes", posterior.outputs.double())
            self.register_buffer("along", 1 / (a[:, None] * b + posterior.prior.double()))

    def forward(self, features: Tensor) -> Tensor:
        """Return V; a constant feature stands behind the others where the layer has a bias."""
        phi = features.double()
        if phi.shape[1] < self.width:
            phi = torch.cat([phi, torch.ones_like(phi[:, :1])], 1)
        if self.full:
            half = [phi @ self.inverse[:, k].T for k in range(self.outputs)]
            rows = [torch.stack([(a * b).sum(1) for b in half], 1) for a in half]
            return torch.stack(rows, 1)
        along = (phi @ self.inputs).square() @ self.along
        return (self.axes * along[:, None, :]) @ self.axes.T


class WeightSpread(nn.Module):
    """What `spread` gives, of class logits (cases, classes) and V of the network's outputs."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        levels = standard_normal_levels() if classes == 2 else standard_normal_points(classes)
        self.register_buffer("points", levels)

    def forward(self, logits: Tensor, covariance: Tensor) -> Widths:
        """Return the mean, and what knowing the weights would add."""
        if logits.shape[1] > 2:
            return self._more(logits, covariance)
        v = covariance[:, -1, -1]
        if covariance.shape[1] == 2:
            v = v + covariance[:, 0, 0] - 2 * covariance[:, 0, 1]
        return self._two(logits[:, 1] - logits[:, 0], v)

    def _two(self, d: Tensor, v: Tensor) -> Widths:
        draws = torch.sigmoid(d + v.sqrt() * self.points[:, None])
        mean = torch.sigmoid(d / (1 + math.pi * v / 8).sqrt())
        both = torch.stack([1 - draws, draws], 2)
        return torch.stack([1 - mean, mean], 1), _information(both)

    def _more(self, logits: Tensor, covariance: Tensor) -> Widths:
        moved = self.points @ _cholesky(covariance).transpose(1, 2)
        draws = (logits[:, None, :] + moved).softmax(2).transpose(0, 1)
        return draws.mean(0), _information(draws)


def _information(draws: Tensor) -> Tensor:
    """(draws, cases, classes) -> (cases,): H of the mean less the mean of H, in nats."""

    def entropy(p: Tensor) -> Tensor:
        return -(p * torch.where(p > 0, p, torch.ones_like(p)).log()).sum(-1)

    return (entropy(draws.mean(0)) - entropy(draws).mean(0)).clamp(min=0)


def _cholesky(matrix: Tensor) -> Tensor:
    """The lower root (cases, k, k), one column after the other, with the jitter of `spread`."""
    k = matrix.shape[1]
    one = torch.eye(k, dtype=matrix.dtype)
    jitter = 1e-10 * (matrix * one).sum((1, 2)) / k + 1e-24
    rest = matrix + jitter[:, None, None] * one
    columns = []
    for j in range(k):
        column = rest[:, :, j] / rest[:, j, j, None].sqrt()
        column = column * (torch.arange(k) >= j).to(matrix.dtype)
        columns.append(column)
        rest = rest - column[:, :, None] * column[:, None, :]
    return torch.stack(columns, 2)
