"""Von Mises law truncated to [0, pi], for an angle between two lines with distinct ends.

    f(t) = vM(t; mu, kappa) / (F(pi) - F(0)),   0 <= t <= pi,   mu in [0, pi]

Such an angle is not axial: 0 and pi are different findings, and doubling would make them one. The
constant is one minus the two masses outside, each by quadrature; it is never below 1/2 because mu lies
inside.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from .von_mises import (
    cumulative,
    offset_log_density,
    sample_offsets,
    upper_tail,
)


class HalfCircleVonMises(Parametric):
    """Von Mises law truncated to [0, pi], for an angle between two lines with distinct ends; values (batch,), radians.

        f(t) = vM(t; mu, kappa) / (F(pi) - F(0)),   0 <= t <= pi

    Args:
        loc: mu in [0, pi], radians, (batch,).
        concentration: kappa > 0 of the untruncated law, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = HalfCircleVonMises(torch.pi / 2, 2.0)
        >>> round(law.mass.item(), 3)
        0.925
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.interval(0.0, math.pi),
        "concentration": constraints.positive,
    }
    parameter_dims = {"loc": 0, "concentration": 0}  # noqa: RUF012
    support = constraints.interval(0.0, math.pi)
    has_rsample = False

    def __init__(
        self,
        loc: Tensor | float,
        concentration: Tensor | float,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(torch.Size(), validate_args, loc=loc, concentration=concentration)

    @property
    def mass(self) -> Tensor:
        """Mass of the untruncated law on [0, pi], (batch)."""
        k = self.concentration
        return 1 - upper_tail(self.loc, k) - upper_tail(math.pi - self.loc, k)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        with torch.no_grad():
            loc, concentration = self.loc.expand(shape), self.concentration.expand(shape)
            out = torch.full(shape, torch.nan, dtype=loc.dtype, device=loc.device)
            missing = out.isnan()
            while bool(missing.any()):
                k = concentration[missing]
                turned = loc[missing] + sample_offsets(k, torch.Size())
                turned = torch.remainder(turned, 2 * math.pi)
                out[missing] = torch.where(turned <= math.pi, turned, torch.nan)
                missing = out.isnan()
            return out

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return offset_log_density(value - self.loc, self.concentration) - torch.log(self.mass)

    def cdf(self, value: Tensor) -> Tensor:
        """P(angle <= value), value in [0, pi]."""
        offset, k = torch.broadcast_tensors(value - self.loc, self.concentration)
        below = cumulative(offset, k) - cumulative(-self.loc.expand_as(offset), k)
        return below / self.mass
