"""Spread of the scale that class covariances share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from ._shared_scale import draw_roots, draw_sizes, passed, tries_of


class SharedSpread(Parametric):
    """Prior of the spread sqrt(v) of `SharedCovariances`: half-Cauchy, one ``unit`` wide; values (batch, d).

    The two sites together have the density of the whole prior, floor included. So draws of this one are those of spreads
    whose covariances pass the floor.

    Args:
        unit: The standard units, in the units of the measurements, (batch, d).
        classes: Number of classes.
        floor: As in `SharedCovariances`.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = SharedSpread(torch.ones(2), classes=3)
        >>> round(law.log_prob(torch.ones(2)).item(), 3)
        -2.289
    """

    arg_constraints = {"unit": constraints.independent(constraints.positive, 1)}  # noqa: RUF012
    parameter_dims = {"unit": 1}  # noqa: RUF012
    support = constraints.independent(constraints.positive, 1)
    has_rsample = False

    def __init__(
        self, unit: Tensor, classes: int, *, floor: float = 0.05, validate_args: bool | None = None
    ) -> None:
        self.classes, self.floor = classes, floor
        self._set_parameters(unit.shape[-1:], validate_args, unit=unit)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.classes, new.floor = self.classes, self.floor
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        each = math.log(2 / math.pi) - torch.log(self.unit) - torch.log1p((value / self.unit) ** 2)
        return each.sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            tries = tries_of(shape.numel() * shape[-1] * self.classes, self.floor)
            angle = torch.rand((tries, *shape), dtype=self.unit.dtype) * (math.pi / 2)
            spread = torch.tan(angle).clamp(1e-6, 1e6)
            classes = torch.Size([tries, *shape[:-1], self.classes])
            size = draw_sizes(classes, spread) if shape[-1] > 1 else spread.new_ones(classes)
            at = passed(draw_roots(spread**2, size), self.floor)
            return spread.gather(0, at[None, ..., None].expand(1, *shape))[0] * self.unit
