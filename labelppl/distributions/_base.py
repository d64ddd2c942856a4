"""What every distribution here shares: broadcasting of parameters, `expand`, and fixed quadrature nodes.

The rules that make a distribution usable inside `torch.func.vmap` with gradients and Hessians: no
`.item()`, no in-place arithmetic on a parameter, no shape that depends on a value, no boolean indexing
in `log_prob` or `cdf`. Sampling may do all of these, since simulation is never vectorised that way.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor


class Parametric(TorchDistribution):
    """A distribution whose state is its parameters, each an attribute.

    Subclasses name their parameters, with the number of event dimensions each has, in `parameter_dims`,
    and call `_set_parameters` from `__init__`. That gives broadcasting, `expand` and `batch_shape`.
    """

    parameter_dims: ClassVar[dict[str, int]]

    def _set_parameters(
        self, event_shape: torch.Size, validate_args: bool | None, **parameters: Tensor | float
    ) -> None:
        tensors = as_tensors(*parameters.values())
        dims = [self.parameter_dims[name] for name in parameters]
        batch = broadcast_shapes(
            *(t.shape[: t.dim() - d] for t, d in zip(tensors, dims, strict=True))
        )
        for name, tensor, d in zip(parameters, tensors, dims, strict=True):
            setattr(self, name, tensor.expand(batch + tensor.shape[tensor.dim() - d :]))
        super().__init__(batch, event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        batch = torch.Size(batch_shape)
        new = self._get_checked_instance(type(self), _instance)
        for name, d in self.parameter_dims.items():
            tensor = getattr(self, name)
            setattr(new, name, tensor.expand(batch + tensor.shape[tensor.dim() - d :]))
        super(Parametric, new).__init__(batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new


def broadcast_shapes(*shapes: torch.Size) -> torch.Size:
    """torch.broadcast_shapes without its import of sympy, which takes a second or more."""
    return torch.Size(np.broadcast_shapes(*shapes))


def as_tensors(*values: Tensor | float) -> list[Tensor]:
    """Numbers become tensors of the dtype of the tensors beside them (default dtype if none)."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    floating = [v.dtype for v in tensors if v.is_floating_point()]
    dtype = floating[0] if floating else torch.get_default_dtype()
    for other in floating[1:]:
        dtype = torch.promote_types(dtype, other)
    device = tensors[0].device if tensors else None
    return [
        v if isinstance(v, Tensor) else torch.as_tensor(v, dtype=dtype, device=device)
        for v in values
    ]


@cache
def _legendre(n: int) -> tuple[Tensor, Tensor]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.as_tensor((nodes + 1) / 2), torch.as_tensor(weights / 2)


def gauss_legendre(n: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights (n,) on [0, 1] in the dtype and on the device of `like`."""
    nodes, weights = _legendre(n)
    return nodes.to(like), weights.to(like)
