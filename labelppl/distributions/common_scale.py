"""Normal deviations with a common unknown scale, the scale integrated out: a spherical multivariate t.

    x_1, ..., x_d | s ~ N(0, s^2),   s^2 ~ InverseGamma(v/2, v r^2 / 2)
    f(x) = Gamma((v+d)/2) / Gamma(v/2) (v pi r^2)^{-d/2} (1 + |x|^2 / (v r^2))^{-(v+d)/2}

With v = 3 the scale has the median 1.13 r and lies between .62 r and 2.9 r nine times in ten. Deviations that are all small
shrink each other, and large ones do not; there is no scale left to sample, whose funnel no normal approximation fits.
Source: Gelman et al., Bayesian Data Analysis, 5 and 17.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric


class CommonScale(Parametric):
    """Normal deviations with a common unknown scale, the scale integrated out; values (batch, size).

        x_1, ..., x_d | s ~ N(0, s^2),   s^2 ~ InverseGamma(v/2, v r^2 / 2)

    Source: Gelman et al., Bayesian Data Analysis, 5 and 17.

    Args:
        df: v > 0, (batch,).
        scale: r > 0, in the units of the deviations, (batch,).
        size: d, the number of deviations.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = CommonScale(3.0, 1.0, size=2)
        >>> round(law.log_prob(torch.tensor([0.5, -0.5])).item(), 3)
        -2.223
    """

    arg_constraints = {"df": constraints.positive, "scale": constraints.positive}  # noqa: RUF012
    parameter_dims = {"df": 0, "scale": 0}  # noqa: RUF012
    support = constraints.independent(constraints.real, 1)

    def __init__(
        self,
        df: Tensor | float,
        scale: Tensor | float,
        size: int,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(torch.Size([size]), validate_args, df=df, scale=scale)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            half = (self.df / 2).expand(shape[:-1])
            gamma = torch.distributions.Gamma(half, half, validate_args=False).sample()
            return torch.randn(shape, dtype=half.dtype) * (self.scale * gamma.rsqrt())[..., None]

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        d, v = self.event_shape[0], self.df
        return (
            torch.lgamma((v + d) / 2)
            - torch.lgamma(v / 2)
            - 0.5 * d * torch.log(v * math.pi * self.scale**2)
            - 0.5 * (v + d) * torch.log1p(value.square().sum(-1) / (v * self.scale**2))
        )
