"""Fisher-Lee law of a number and an angle whose mean direction turns with it.

    x ~ N(mu, s^2),   t | x ~ vM(m + 2 atan(b (x - mu) / s), k)

As x runs over the real line the mean direction turns once around the circle, fastest near mu, in the direction of b's sign.
The likelihood in (m, b) has several modes when b is large and the directions spread widely: start from several points.
Source: Fisher and Lee, Biometrics 48 (1992), with one number, taken from its own mean and in its own spread.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from .von_mises import offset_log_density, sample_offsets


class FisherLee(Parametric):
    """Fisher-Lee law of an angle whose mean direction turns with a number; values (batch, 2), the angle first.

        x ~ N(mu, s^2),   t | x ~ vM(m + 2 atan(b (x - mu) / s), k)

    Source: Fisher and Lee, Biometrics 48 (1992).

    Args:
        direction: m, radians, (batch,).
        concentration: k > 0, (batch,).
        loc: mu, in the number's units, (batch,).
        scale: s > 0, in the number's units, (batch,).
        turn: b, (batch,); its sign is the direction of the turn.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = FisherLee(0.0, 2.0, loc=10.0, scale=1.0, turn=0.5)
        >>> round(law.log_prob(torch.tensor([0.0, 10.0])).item(), 3)
        -1.581
    """

    arg_constraints = {  # noqa: RUF012
        "direction": constraints.real,
        "concentration": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
        "turn": constraints.real,
    }
    parameter_dims = dict.fromkeys(arg_constraints, 0)
    support = constraints.independent(constraints.real, 1)

    def __init__(
        self,
        direction: Tensor | float,
        concentration: Tensor | float,
        loc: Tensor | float,
        scale: Tensor | float,
        turn: Tensor | float,
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
            turn=turn,
        )

    def _mean_direction(self, x: Tensor) -> Tensor:
        """Mean direction of the angle given the number."""
        return self.direction + 2 * torch.atan(self.turn * (x - self.loc) / self.scale)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = torch.Size(sample_shape)
            offset = sample_offsets(self.concentration, shape)
            x = self.loc + self.scale * torch.randn_like(offset)
            return torch.stack([self._mean_direction(x) + offset, x], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        angle, x = value[..., 0], value[..., 1]
        z = (x - self.loc) / self.scale
        normal = -0.5 * z**2 - torch.log(self.scale) - 0.5 * math.log(2 * math.pi)
        return offset_log_density(angle - self._mean_direction(x), self.concentration) + normal
