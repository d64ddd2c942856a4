"""Logit-normal laws of ratios in (0, 1).

    log f(c) = log N(logit c; mu, sigma) - log c - log(1 - c)

exact for d2 / (d1 + d2) with log-normal d1, d2. The multivariate law keeps the correlation of several
ratios of one case. Source: Atchison and Shen, Biometrika 67 (1980).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from .normal_of_each import NormalOfEach


class LogitNormal(Parametric):
    """Logit-normal law of a ratio in (0, 1): logit(c) ~ Normal(loc, scale); values (batch,).

        log f(c) = log N(logit c; mu, sigma) - log c - log(1 - c)

    Source: Atchison and Shen, Biometrika 67 (1980).

    Args:
        loc: mu, on the logit scale, (batch,).
        scale: sigma > 0, on the logit scale, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> round(LogitNormal(0.0, 1.0).log_prob(torch.tensor(0.5)).item(), 3)
        0.467
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    parameter_dims = {"loc": 0, "scale": 0}  # noqa: RUF012
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, loc: Tensor | float, scale: Tensor | float, *, validate_args: bool | None = None
    ) -> None:
        self._set_parameters(torch.Size(), validate_args, loc=loc, scale=scale)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return torch.sigmoid(self.loc + self.scale * noise)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        standard = (torch.logit(value) - self.loc) / self.scale
        jacobian = torch.log(value) + torch.log1p(-value)
        return -0.5 * standard**2 - torch.log(self.scale) - 0.5 * math.log(2 * math.pi) - jacobian

    def cdf(self, value: Tensor) -> Tensor:
        inside = (value > 0) & (value < 1)
        logit = torch.logit(torch.where(inside, value, 0.5))
        below = torch.special.ndtr((logit - self.loc) / self.scale)
        return torch.where(inside, below, (value >= 1).to(below.dtype))

    def icdf(self, value: Tensor) -> Tensor:
        return torch.sigmoid(self.loc + self.scale * torch.special.ndtri(value))


class MultivariateLogitNormal(NormalOfEach):
    """Logit-normal law of several ratios of one case, with their correlation; values (batch, ratios).

        log f(c) = log N(logit c; mu, Sigma) - sum_j [log c_j + log(1 - c_j)]

    Source: Atchison and Shen, Biometrika 67 (1980).

    Args:
        loc: mu, on the logit scale, (batch, ratios).
        scale_tril: Lower Cholesky factor of Sigma, on the logit scale, (batch, ratios, ratios).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = MultivariateLogitNormal(torch.zeros(2), torch.eye(2))
        >>> round(law.log_prob(torch.tensor([0.5, 0.5])).item(), 3)
        0.935
    """

    support = constraints.independent(constraints.unit_interval, 1)
    to_normal = staticmethod(torch.logit)
    from_normal = staticmethod(torch.sigmoid)

    @staticmethod
    def log_slope(value: Tensor) -> Tensor:
        return -(torch.log(value) + torch.log1p(-value))
