"""Sine model of two dependent angles.

    f(s, t) = exp{k1 cos(s-m1) + k2 cos(t-m2) + lambda sin(s-m1) sin(t-m2)} / C
    C = integral over s of exp(k1 cos s) 2 pi I0(sqrt(k2^2 + lambda^2 sin^2 s)) ds

The remaining integral is periodic and analytic, so the trapezoid rule is exact to rounding while the
concentrations stay below about 5,000. Pyro's `SineBivariateVonMises` calls `.item()` and sums a truncated
series, which `vmap` refuses. Unimodal while lambda^2 < k1 k2. Source: Singh, Hnizdo and Demchuk,
Biometrika 89 (2002).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from .von_mises import log_i0, sample_offsets

_POINTS = 512
_SAMPLING_POINTS = 8192


class SineBivariateVonMises(Parametric):
    """Sine model of two dependent angles s and t; values (batch, 2), radians.

        f(s, t) = exp{k1 cos(s-m1) + k2 cos(t-m2) + lambda sin(s-m1) sin(t-m2)} / C

    Unimodal while lambda^2 < k1 k2. Source: Singh, Hnizdo and Demchuk, Biometrika 89 (2002).

    Args:
        phi_loc: m1, radians, (batch,).
        psi_loc: m2, radians, (batch,).
        phi_concentration: k1 > 0, (batch,).
        psi_concentration: k2 > 0, (batch,).
        correlation: lambda, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = SineBivariateVonMises(0.0, 0.0, 2.0, 3.0, correlation=1.0)
        >>> round(law.log_prob(torch.tensor([0.1, 0.1])).item(), 3)
        -1.147
    """

    arg_constraints = {  # noqa: RUF012
        "phi_loc": constraints.real,
        "psi_loc": constraints.real,
        "phi_concentration": constraints.positive,
        "psi_concentration": constraints.positive,
        "correlation": constraints.real,
    }
    parameter_dims = dict.fromkeys(arg_constraints, 0)
    support = constraints.independent(constraints.real, 1)
    has_rsample = False

    def __init__(
        self,
        phi_loc: Tensor | float,
        psi_loc: Tensor | float,
        phi_concentration: Tensor | float,
        psi_concentration: Tensor | float,
        correlation: Tensor | float,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(
            torch.Size([2]),
            validate_args,
            phi_loc=phi_loc,
            psi_loc=psi_loc,
            phi_concentration=phi_concentration,
            psi_concentration=psi_concentration,
            correlation=correlation,
        )

    def _log_marginal(self, offset: Tensor) -> Tensor:
        """Unnormalised log density of the first angle at `offset` (batch, points) from its mean."""
        k1, k2 = self.phi_concentration[..., None], self.psi_concentration[..., None]
        resultant = torch.sqrt(k2**2 + (self.correlation[..., None] * torch.sin(offset)) ** 2)
        return k1 * torch.cos(offset) + log_i0(resultant) + math.log(2 * math.pi)

    @property
    def log_normalizer(self) -> Tensor:
        """log C, (batch)."""
        grid = _grid(_POINTS, self.phi_loc)
        return torch.logsumexp(self._log_marginal(grid), -1) + math.log(2 * math.pi / _POINTS)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """First angle by its tabulated distribution function, the second from its von Mises law."""
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))[:-1]
            grid = _grid(_SAMPLING_POINTS, self.phi_loc)
            cell = 2 * math.pi / _SAMPLING_POINTS
            share = torch.softmax(self._log_marginal(grid), -1).cumsum(-1)
            share = share.reshape(-1, _SAMPLING_POINTS)
            u = torch.rand((len(share), shape.numel() // len(share)), dtype=grid.dtype)
            at = torch.searchsorted(share, u.to(share)).clamp(max=_SAMPLING_POINTS - 1)
            jitter = torch.rand(shape, dtype=grid.dtype, device=grid.device) - 0.5
            first = grid[at.mT.reshape(shape)] + cell * jitter
            k2, slope = self.psi_concentration, self.correlation * torch.sin(first)
            second = torch.atan2(slope, k2.expand(shape)) + sample_offsets(
                torch.sqrt(k2**2 + slope**2), torch.Size()
            )
            return torch.stack([self.phi_loc + first, self.psi_loc + second], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        s, t = value[..., 0] - self.phi_loc, value[..., 1] - self.psi_loc
        return (
            self.phi_concentration * torch.cos(s)
            + self.psi_concentration * torch.cos(t)
            + self.correlation * torch.sin(s) * torch.sin(t)
            - self.log_normalizer
        )


def _grid(points: int, like: Tensor) -> Tensor:
    turn = torch.arange(points, dtype=like.dtype, device=like.device) / points
    return 2 * math.pi * turn - math.pi
