"""A ratio that is exactly 0 or exactly 1 with its own probability, else continuous in (0, 1).

    P(c = 0) = p0,  P(c = 1) = p1,  f(c) = (1 - p0 - p1) g(c) for 0 < c < 1

The densities of exact and inner values are with respect to different measures; class posteriors compare
classes at the same value, so the mixture is proper evidence there. Source: Ospina and Ferrari,
Statistical Papers 51 (2010).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric, broadcast_shapes


class ZeroOneInflated(Parametric):
    """A ratio that is exactly 0 or exactly 1 with its own probability, else continuous in (0, 1); values (batch,).

        P(c = 0) = p0,  P(c = 1) = p1,  f(c) = (1 - p0 - p1) g(c) for 0 < c < 1

    Source: Ospina and Ferrari, Statistical Papers 51 (2010).

    Args:
        base: g, a distribution on (0, 1), (batch,).
        masses: P(exactly 0), P(inside), P(exactly 1), rows summing to 1, (batch, 3).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> from labelppl.distributions import Beta
        >>> law = ZeroOneInflated(Beta(2.0, 2.0), torch.tensor([0.1, 0.7, 0.2]))
        >>> [round(x, 2) for x in law.log_prob(torch.tensor([0.0, 1.0])).exp().tolist()]
        [0.1, 0.2]
    """

    arg_constraints = {"masses": constraints.simplex}  # noqa: RUF012
    parameter_dims = {"masses": 1}  # noqa: RUF012
    support = constraints.interval(0.0, 1.0)
    has_rsample = False

    def __init__(self, base: Any, masses: Tensor, *, validate_args: bool | None = None) -> None:
        batch = broadcast_shapes(base.batch_shape, masses.shape[:-1])
        self.base = base.expand(batch)
        self._set_parameters(torch.Size(), validate_args, masses=masses.expand((*batch, 3)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.base = self.base.expand(torch.Size(batch_shape))
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            which = torch.distributions.Categorical(self.masses, validate_args=False).sample(
                torch.Size(sample_shape)
            )
            inside = self.base.sample(torch.Size(sample_shape))
            return torch.where(which == 1, inside, (which == 2).to(inside.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        zero, one = value <= 0, value >= 1
        inner = torch.where(zero | one, torch.full_like(value, 0.5), value)
        log_masses = torch.log(self.masses)
        inside = log_masses[..., 1] + self.base.log_prob(inner)
        at_one = torch.where(one, log_masses[..., 2], inside)
        return torch.where(zero, log_masses[..., 0], at_one)

    def cdf(self, value: Tensor) -> Tensor:
        zero, one = value <= 0, value >= 1
        inner = torch.where(zero | one, torch.full_like(value, 0.5), value)
        inside = self.masses[..., 0] + self.masses[..., 1] * self.base.cdf(inner)
        below = torch.where(zero, self.masses[..., 0] * (value >= 0), inside)
        return torch.where(one, torch.ones_like(below), below)
