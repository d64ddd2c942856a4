"""Lower Cholesky factors as a latent: torch can check the constraint but has no bijection onto it.

L_ii = exp(u_ii), L_ij = u_ij (i > j),   log |dL/du| = sum_i u_ii
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.transforms import Transform


class _CholeskyFactor(type(constraints.lower_cholesky)):  # type: ignore[misc]
    """A lower triangular matrix with a positive diagonal, with the bijection below."""


cholesky_factor = _CholeskyFactor()


class CholeskyTransform(Transform):
    """A vector (..., d (d + 1) / 2), rows of the lower triangle, to the factor (..., d, d)."""

    domain = constraints.real_vector
    codomain = cholesky_factor
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CholeskyTransform)

    __hash__ = Transform.__hash__

    def _call(self, x: Tensor) -> Tensor:
        d = _side(x.shape[-1])
        row, column = torch.tril_indices(d, d)
        at = torch.full((d, d), x.shape[-1])
        at[row, column] = torch.arange(x.shape[-1])
        matrix = torch.cat([x, torch.zeros_like(x[..., :1])], -1)[..., at]
        diagonal = torch.eye(d, dtype=torch.bool, device=x.device)
        return torch.where(diagonal, torch.exp(torch.where(diagonal, matrix, 0.0)), matrix)

    def _inverse(self, y: Tensor) -> Tensor:
        d = y.shape[-1]
        row, column = torch.tril_indices(d, d)
        diagonal = torch.eye(d, dtype=torch.bool, device=y.device)
        logged = torch.where(diagonal, torch.log(torch.where(diagonal, y, 1.0)), y)
        return logged[..., row, column]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.log(y.diagonal(dim1=-2, dim2=-1)).sum(-1)

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        d = _side(shape[-1])
        return torch.Size((*shape[:-1], d, d))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        d = shape[-1]
        return torch.Size((*shape[:-2], d * (d + 1) // 2))


def _side(length: int) -> int:
    d = int(((8 * length + 1) ** 0.5 - 1) / 2)
    if d * (d + 1) // 2 != length:
        raise ValueError(f"got a vector of {length}, expected d (d + 1) / 2 numbers")
    return d


@biject_to.register(_CholeskyFactor)
def _to_cholesky(constraint: _CholeskyFactor) -> CholeskyTransform:
    return CholeskyTransform()
