"""Mardia-Sutton law of an angle and a real number.

    t ~ vM(m, k),  x | t ~ N(mu + s sqrt(k) [r1 (cos t - cos m) + r2 (sin t - sin m)], s^2 (1 - r1^2 - r2^2))

Source: Mardia and Sutton, JRSS B 40 (1978).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from .von_mises import offset_log_density, sample_offsets


class MardiaSutton(Parametric):
    """Mardia-Sutton law of an angle and a number that depend on each other; values (batch, 2), the angle first.

        t ~ vM(m, k),  x | t ~ N(mu + s sqrt(k) [r1 (cos t - cos m) + r2 (sin t - sin m)], s^2 (1 - r1^2 - r2^2))

    Source: Mardia and Sutton, JRSS B 40 (1978).

    Args:
        direction: m, radians, (batch,).
        concentration: k > 0, (batch,).
        loc: mu, in the number's units, (batch,).
        scale: s > 0, in the number's units, (batch,).
        correlation: (r1, r2) inside the unit disc, (batch, 2).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = MardiaSutton(0.0, 2.0, loc=10.0, scale=1.0, correlation=torch.tensor([0.3, 0.4]))
        >>> round(law.log_prob(torch.tensor([0.0, 10.0])).item(), 3)
        -1.437
    """

    arg_constraints = {  # noqa: RUF012
        "direction": constraints.real,
        "concentration": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
        "correlation": constraints.independent(constraints.interval(-1.0, 1.0), 1),
    }
    parameter_dims = {  # noqa: RUF012
        "direction": 0,
        "concentration": 0,
        "loc": 0,
        "scale": 0,
        "correlation": 1,
    }
    support = constraints.independent(constraints.real, 1)
    has_rsample = False

    def __init__(
        self,
        direction: Tensor | float,
        concentration: Tensor | float,
        loc: Tensor | float,
        scale: Tensor | float,
        correlation: Tensor,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(
            torch.Size([2]),
            validate_args,
            direction=direction,
            concentration=concentration,
            loc=loc,
            scale=scale,
            correlation=correlation,
        )

    def _given_angle(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the number given the angle."""
        r1, r2 = self.correlation[..., 0], self.correlation[..., 1]
        m = self.direction
        bend = r1 * (torch.cos(angle) - torch.cos(m)) + r2 * (torch.sin(angle) - torch.sin(m))
        mean = self.loc + self.scale * torch.sqrt(self.concentration) * bend
        return mean, self.scale * torch.sqrt(1 - r1**2 - r2**2)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            angle = self.direction + sample_offsets(self.concentration, torch.Size(sample_shape))
            mean, sd = self._given_angle(angle)
            return torch.stack([angle, mean + sd * torch.randn_like(mean)], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        angle, x = value[..., 0], value[..., 1]
        mean, sd = self._given_angle(angle)
        normal = -0.5 * ((x - mean) / sd) ** 2 - torch.log(sd) - 0.5 * math.log(2 * math.pi)
        return offset_log_density(angle - self.direction, self.concentration) + normal
