"""Covariances of several classes that share a scale, as their Cholesky factors; what they share is summed and integrated out.

    Sigma_k | S, delta, c ~ IW(delta + d - 1, delta c_k S)   p(delta) ~ 1 / delta on 1, 2, 4, ..., 128
    c_k | tau  ~ Gamma(tau / 2, tau / 2)                     tau uniform on 1/2, 2, 8, 32, 128; c_k = 1 where d = 1
    S | alpha  ~ W(a, diag(v) / a)                           a = alpha + d - 1, alpha uniform on 1, 2, 4, ..., 32

With nu = delta + d - 1, N = K nu and G = delta sum_k c_k Sigma_k^-1, S integrates out:

    p(Sigma_1, ..., Sigma_K | delta, alpha, c) = prod_k [(delta c_k)^{nu d/2} |Sigma_k|^{-(nu+d+1)/2} / (2^{nu d/2} Gamma_d(nu/2))]
        2^{N d/2} Gamma_d((a+N)/2) / Gamma_d(a/2) |a diag(1/v)|^{a/2} |a diag(1/v) + G|^{-(a+N)/2}

times exp(-floor tr(Sigma_k^-1) / 2) for each class and dSigma/dL = 2^d prod_i L_ii^{d-i+1}. Everything is in units of
``unit``. The floor makes a density whose normaliser is not known: draws follow it as far as an importance resampling of `TRIES`
draws of the law without it goes. Source: `labelppl.families.exact.shared_scale` fits it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy.special import multigammaln
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from ._cholesky import cholesky_factor
from ._shared_scale import ALPHAS, WORTHS, draw_roots, passed, tries_of


class SharedCovariances(Parametric):
    """Lower Cholesky factors of the covariances of several classes that share a scale; values (batch, classes, d, d).

        Sigma_k | S, delta ~ IW(delta + d - 1, delta c_k S)  p(delta) ~ 1 / delta on 1, 2, 4, ..., 128
        S | alpha          ~ W(a, diag(v) / a)               a = alpha + d - 1, alpha uniform on 1, 2, 4, ..., 32

    S, delta and alpha are summed and integrated out.

    Args:
        spread: sqrt(v), in the units of the measurements, (batch, d).
        unit: The standard units, in the units of the measurements, (batch, d).
        size: c_k, how wide each class is beside the others, in variances, (batch, classes).
        floor: Weight of exp(-floor tr(Sigma_k^-1) / 2), which keeps variances from 0; in standard units.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = SharedCovariances(torch.ones(2), torch.ones(2), torch.ones(3))
        >>> round(law.log_prob(torch.eye(2).expand(3, 2, 2)).item(), 2)
        5.05
    """

    arg_constraints = {  # noqa: RUF012
        "spread": constraints.independent(constraints.positive, 1),
        "unit": constraints.independent(constraints.positive, 1),
        "size": constraints.independent(constraints.positive, 1),
    }
    parameter_dims = {"spread": 1, "unit": 1, "size": 1}  # noqa: RUF012
    support = constraints.independent(cholesky_factor, 1)
    has_rsample = False

    def __init__(
        self,
        spread: Tensor,
        unit: Tensor,
        size: Tensor,
        *,
        floor: float = 0.05,
        validate_args: bool | None = None,
    ) -> None:
        self.floor = floor
        d = spread.shape[-1]
        shape = torch.Size([size.shape[-1], d, d])
        self._set_parameters(shape, validate_args, spread=spread, unit=unit, size=size)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.floor = self.floor
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k, d = value.shape[-3], value.shape[-1]
        root = value / self.unit[..., None, :, None]
        eye = torch.eye(d, dtype=value.dtype, device=value.device).expand_as(root)
        inverse = torch.linalg.solve_triangular(root, eye, upper=False)
        by_class = inverse.mT @ inverse
        precision = (self.size[..., None, None] * by_class).sum(-3)
        log_size = torch.log(self.size).sum(-1)
        log_diagonal = torch.log(root.diagonal(dim1=-2, dim2=-1))
        powers = torch.arange(d, 0, -1, dtype=value.dtype, device=value.device)
        jacobian = k * d * math.log(2) + (powers * log_diagonal).sum((-2, -1))
        units = k * (powers.flip(-1) * torch.log(self.unit)).sum(-1)
        root_v = self.spread / self.unit
        log_det_sigma = 2 * log_diagonal.sum((-2, -1))
        between = precision * root_v[..., :, None] * root_v[..., None, :]
        identity = torch.eye(d, dtype=value.dtype, device=value.device)
        parts = []
        for worth in WORTHS:
            nu = worth + d - 1
            n = k * nu
            classes = k * (0.5 * nu * d * math.log(worth / 2) - log_multigamma(nu / 2, d))
            classes = classes + 0.5 * nu * d * log_size - 0.5 * (nu + d + 1) * log_det_sigma
            for alpha in ALPHAS:
                a = alpha + d - 1
                # |a / v + delta P| = |a I + delta v^1/2 P v^1/2| / |v|, and a |log |v|| cancels.
                whole, failed = torch.linalg.cholesky_ex(a * identity + worth * between)
                half_log_det = torch.log(whole.diagonal(dim1=-2, dim2=-1)).sum(-1)
                shared = (
                    0.5 * n * d * math.log(2)
                    + log_multigamma((a + n) / 2, d)
                    - log_multigamma(a / 2, d)
                    + 0.5 * a * d * math.log(a)
                    + n * torch.log(root_v).sum(-1)
                    - (a + n) * half_log_det
                )
                parts.append(
                    torch.where(failed > 0, -torch.inf, classes + shared - math.log(worth))
                )
        normaliser = math.log(sum(1 / worth for worth in WORTHS)) + math.log(len(ALPHAS))
        floor = -0.5 * self.floor * by_class.diagonal(dim1=-2, dim2=-1).sum((-2, -1))
        return torch.logsumexp(torch.stack(parts), 0) - normaliser + floor + jacobian - units

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            tries = tries_of(shape.numel(), self.floor)
            batch, k, d = shape[:-3], shape[-3], shape[-1]
            v = (self.spread / self.unit).square().expand(*batch, d)
            root = draw_roots(v.expand(tries, *batch, d), self.size.expand(tries, *batch, k))
            at = passed(root, self.floor)[None, ..., None, None, None].expand(1, *root.shape[1:])
            return root.gather(0, at)[0] * self.unit[..., None, :, None]


def log_multigamma(a: float, d: int) -> float:
    """log Gamma_d(a)."""
    return float(multigammaln(a, d))
