"""Ratio w = X/Y of two jointly normal lengths.

Hinkley (Biometrika 56, 1969) writes the density with d = exp[(b^2 - c a^2) / (2 q^2 a^2)], which
overflows. With D = sx^2 - 2 rho w sx sy + w^2 sy^2 (so a^2 = D / (sx sy)^2), q^2 = 1 - rho^2 and
h = b / (sqrt(2) q a) his two terms are one product of positive factors,

    log f(w) = log(q sx sy / (pi D)) - (mx - w my)^2 / (2 D) + log(e^{-h^2} + sqrt(pi) h erf h),

because c a^2 - b^2 = q^2 (mx - w my)^2 / (sx sy)^2. No moment exists: never estimate by moments. Use it
where the numerator may exceed the denominator, never a Beta. The distribution function is Hinkley's
pair of bivariate normal orthants, each by the integral over the correlation angle (Drezner and
Wesolowsky 1990).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric, gauss_legendre


class RatioOfNormals(Parametric):
    """Law of a ratio X / Y of two jointly normal lengths; values (batch,).

    It has no moment: never estimate by moments. Source: Hinkley, Biometrika 56 (1969).

    Args:
        numerator: Mean of X, (batch,).
        denominator: Mean of Y, in the units of X, (batch,).
        numerator_scale: Standard deviation of X, positive, (batch,).
        denominator_scale: Standard deviation of Y, positive, (batch,).
        correlation: Of X and Y, in (-1, 1), (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = RatioOfNormals(10.0, 20.0, 1.0, 1.0)
        >>> round(law.cdf(torch.tensor(0.5)).item(), 3)
        0.5
    """

    arg_constraints = {  # noqa: RUF012
        "numerator": constraints.real,
        "denominator": constraints.real,
        "numerator_scale": constraints.positive,
        "denominator_scale": constraints.positive,
        "correlation": constraints.interval(-1.0, 1.0),
    }
    parameter_dims = {  # noqa: RUF012
        "numerator": 0,
        "denominator": 0,
        "numerator_scale": 0,
        "denominator_scale": 0,
        "correlation": 0,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        numerator: Tensor | float,
        denominator: Tensor | float,
        numerator_scale: Tensor | float,
        denominator_scale: Tensor | float,
        correlation: Tensor | float = 0.0,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(
            torch.Size(),
            validate_args,
            numerator=numerator,
            denominator=denominator,
            numerator_scale=numerator_scale,
            denominator_scale=denominator_scale,
            correlation=correlation,
        )

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        like = self.numerator
        u = torch.randn(shape, dtype=like.dtype, device=like.device)
        v = torch.randn(shape, dtype=like.dtype, device=like.device)
        rho = self.correlation
        y = self.denominator + self.denominator_scale * u
        x = self.numerator + self.numerator_scale * (rho * u + torch.sqrt(1 - rho**2) * v)
        return x / y

    def _spread(self, w: Tensor) -> Tensor:
        """D, the variance of X - w Y."""
        sx, sy, rho = self.numerator_scale, self.denominator_scale, self.correlation
        return (sx - rho * w * sy) ** 2 + (1 - rho**2) * (w * sy) ** 2

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        w, mx, my = value, self.numerator, self.denominator
        sx, sy, rho = self.numerator_scale, self.denominator_scale, self.correlation
        q2 = 1 - rho**2
        spread = self._spread(w)
        b = mx * w / sx**2 - rho * (mx + my * w) / (sx * sy) + my / sy**2
        h = b * sx * sy / torch.sqrt(2 * q2 * spread)
        bracket = torch.exp(-(h**2)) + math.sqrt(math.pi) * h * torch.erf(h)
        return (
            0.5 * torch.log(q2)
            + torch.log(sx * sy / (math.pi * spread))
            - (mx - w * my) ** 2 / (2 * spread)
            + torch.log(bracket)
        )

    def cdf(self, value: Tensor) -> Tensor:
        sx, sy, rho = self.numerator_scale, self.denominator_scale, self.correlation
        root = torch.sqrt(self._spread(value))
        h = (self.numerator - value * self.denominator) / root
        k = self.denominator / sy
        r = (value * sy - rho * sx) / root
        return _orthant(h, -k, r) + _orthant(-h, k, r)


def _orthant(h: Tensor, k: Tensor, r: Tensor) -> Tensor:
    """P(U > h, V > k) of a standard bivariate normal with correlation `r`."""
    h, k, r = torch.broadcast_tensors(h, k, r)
    nodes, weights = gauss_legendre(64, h)
    top = torch.asin(r)
    angle = top[..., None] * nodes
    h_, k_ = h[..., None], k[..., None]
    sine = torch.sin(angle)
    exponent = -(h_**2 + k_**2 - 2 * h_ * k_ * sine) / (2 * (1 - sine**2))
    curve = top * (weights * torch.exp(exponent)).sum(-1) / (2 * math.pi)
    return torch.special.ndtr(-h) * torch.special.ndtr(-k) + curve
