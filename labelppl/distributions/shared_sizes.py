"""Sizes of classes whose covariances share a scale: how wide each is beside the others, in variances."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from ._shared_scale import LIKENESSES, draw_roots, draw_sizes, passed, tries_of


class SharedSizes(Parametric):
    """Prior of the sizes c of `SharedCovariances`; values (batch, classes).

        c_k | tau ~ Gamma(tau / 2, tau / 2),   tau uniform on 1/2, 2, 8, 32, 128, summed over

    Draws are those of sizes whose covariances pass the floor, as for `SharedSpread`.

    Args:
        spread: sqrt(v), in the units of the measurements, (batch, d).
        unit: The standard units, in the units of the measurements, (batch, d).
        classes: Number of classes.
        floor: As in `SharedCovariances`.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = SharedSizes(torch.ones(2), torch.ones(2), classes=3)
        >>> round(law.log_prob(torch.ones(3)).item(), 3)
        1.999
    """

    arg_constraints = {  # noqa: RUF012
        "spread": constraints.independent(constraints.positive, 1),
        "unit": constraints.independent(constraints.positive, 1),
    }
    parameter_dims = {"spread": 1, "unit": 1}  # noqa: RUF012
    support = constraints.independent(constraints.positive, 1)
    has_rsample = False

    def __init__(
        self,
        spread: Tensor,
        unit: Tensor,
        classes: int,
        *,
        floor: float = 0.05,
        validate_args: bool | None = None,
    ) -> None:
        self.classes, self.floor = classes, floor
        self._set_parameters(torch.Size([classes]), validate_args, spread=spread, unit=unit)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.classes, new.floor = self.classes, self.floor
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        half = torch.tensor(LIKENESSES, dtype=value.dtype, device=value.device) / 2
        sums = (torch.log(value) - value).sum(-1)[..., None], torch.log(value).sum(-1)
        by_likeness = half * sums[0] + self.classes * (half * torch.log(half) - torch.lgamma(half))
        return torch.logsumexp(by_likeness, -1) - math.log(len(LIKENESSES)) - sums[1]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            d = self.spread.shape[-1]
            tries = tries_of(shape.numel() * d * d, self.floor)
            size = draw_sizes(torch.Size([tries, *shape]), self.spread)
            v = (self.spread / self.unit).square().expand(tries, *shape[:-1], d)
            at = passed(draw_roots(v, size), self.floor)
            return size.gather(0, at[None, ..., None].expand(1, *shape))[0]
