"""Von Mises law for an axis, where t and t + pi are the same finding.

    f(t) = exp(kappa cos 2(t - mu)) / (pi I0(kappa)),   one period [mu - pi/2, mu + pi/2]

the law of t when 2t is von Mises with mean 2 mu. Use it only for undirected lines; an angle between
lines with distinct ends is `HalfCircleVonMises`. Source: Mardia and Jupp (2000), 3.6.1.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from .von_mises import cumulative, offset_log_density, sample_offsets


class AxialVonMises(Parametric):
    """Von Mises law of an undirected line, for which t and t + pi are the same; values (batch,), radians.

        f(t) = exp(kappa cos 2(t - mu)) / (pi I0(kappa))

    Any representative of an axis is accepted as a value. Source: Mardia and Jupp (2000), 3.6.1.

    Args:
        loc: The axis mu, radians, (batch,).
        concentration: kappa > 0, of the doubled angle, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = AxialVonMises(0.0, 4.0)
        >>> [round(x, 3) for x in law.log_prob(torch.tensor([0.2, 0.2 + torch.pi])).tolist()]
        [0.115, 0.115]
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}  # noqa: RUF012
    parameter_dims = {"loc": 0, "concentration": 0}  # noqa: RUF012
    has_rsample = False

    def __init__(
        self,
        loc: Tensor | float,
        concentration: Tensor | float,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(torch.Size(), validate_args, loc=loc, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.interval(self.loc - math.pi / 2, self.loc + math.pi / 2)

    def _validate_sample(self, value: Tensor) -> None:
        if not bool(torch.isfinite(value).all()):
            raise ValueError("AxialVonMises: got a value that is not finite, expected radians")

    @property
    def mean(self) -> Tensor:
        return self.loc

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            return self.loc + sample_offsets(self.concentration, torch.Size(sample_shape)) / 2

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return offset_log_density(2 * (value - self.loc), self.concentration) + math.log(2.0)

    def cdf(self, value: Tensor) -> Tensor:
        """Mass from -pi/2 to `value`; `cdf(b) - cdf(a)` is that of any stretch a <= b."""
        start = torch.full_like(self.loc, -math.pi / 2)
        return self._antiderivative(value) - self._antiderivative(start)

    def _antiderivative(self, value: Tensor) -> Tensor:
        offset, k = torch.broadcast_tensors(2 * (value - self.loc), self.concentration)
        return cumulative(offset, k)
