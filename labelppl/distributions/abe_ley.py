"""Abe-Ley law of an angle and a positive length (sine-skewed Weibull cylinder).

    f(t, x) = a b^a / (2 pi cosh k) (1 + l sin(t-m)) x^{a-1} exp{-(b x)^a (1 - tanh k cos(t-m))}

Given t, x is Weibull with shape a and scale 1 / {b (1 - tanh k cos(t-m))^{1/a}}; t itself is a
sine-skewed wrapped Cauchy with mean resultant tanh(k/2). Source: Abe and Ley, Econometrics and
Statistics 4 (2017).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric


class AbeLey(Parametric):
    """Abe-Ley law of an angle and a positive length; values (batch, 2), the angle first.

        f(t, x) = a b^a / (2 pi cosh k) (1 + l sin(t-m)) x^{a-1} exp{-(b x)^a (1 - tanh k cos(t-m))}

    Source: Abe and Ley, Econometrics and Statistics 4 (2017).

    Args:
        shape_parameter: a > 0, (batch,).
        rate: b > 0, per unit of length, (batch,).
        loc: m, radians, (batch,).
        concentration: k > 0, (batch,); near 0 angle and length are independent.
        skewness: l in [-1, 1], (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = AbeLey(2.0, rate=0.1, loc=0.0, concentration=1.0)
        >>> round(law.log_prob(torch.tensor([0.0, 10.0])).item(), 3)
        -4.12
    """

    arg_constraints = {  # noqa: RUF012
        "shape_parameter": constraints.positive,
        "rate": constraints.positive,
        "loc": constraints.real,
        "concentration": constraints.positive,
        "skewness": constraints.interval(-1.0, 1.0),
    }
    parameter_dims = dict.fromkeys(arg_constraints, 0)
    support = constraints.independent(
        constraints.cat([constraints.real, constraints.positive], dim=-1, lengths=[1, 1]), 1
    )
    has_rsample = False

    def __init__(
        self,
        shape_parameter: Tensor | float,
        rate: Tensor | float,
        loc: Tensor | float,
        concentration: Tensor | float,
        skewness: Tensor | float = 0.0,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(
            torch.Size([2]),
            validate_args,
            shape_parameter=shape_parameter,
            rate=rate,
            loc=loc,
            concentration=concentration,
            skewness=skewness,
        )

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))[:-1]
            u, v, w = torch.rand((3, *shape), dtype=self.loc.dtype, device=self.loc.device)
            resultant = torch.tanh(self.concentration / 2)
            spread = (1 - resultant) / (1 + resultant)
            offset = 2 * torch.atan(spread * torch.tan(math.pi * (u - 0.5)))
            skewed = v < (1 + self.skewness * torch.sin(offset)) / 2
            offset = torch.where(skewed, offset, -offset)
            base = -torch.log1p(-w) / (1 - torch.tanh(self.concentration) * torch.cos(offset))
            length = base ** (1 / self.shape_parameter) / self.rate
            return torch.stack([self.loc + offset, length], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        offset, x = value[..., 0] - self.loc, value[..., 1]
        a, k = self.shape_parameter, self.concentration
        log_cosh = k + torch.log1p(torch.exp(-2 * k)) - math.log(2)
        log_scaled = torch.log(self.rate * x)
        return (
            torch.log(a)
            + a * log_scaled
            - torch.log(x)
            - math.log(2 * math.pi)
            - log_cosh
            + torch.log1p(self.skewness * torch.sin(offset))
            - torch.exp(a * log_scaled) * (1 - torch.tanh(k) * torch.cos(offset))
        )
