"""Covariances of several classes that share a scale, as their Cholesky factors; what they share is summed and integrated out.

    Sigma_k | S, delta ~ IW(delta + d - 1, delta S)      p(delta) ~ 1 / delta on 1, 2, 4, ..., 128
    S | alpha          ~ W(a, diag(v) / a)               a = alpha + d - 1, alpha uniform on 1, 2, 4, ..., 32

With nu = delta + d - 1, N = K nu and G = delta sum_k Sigma_k^-1, S integrates out:

    p(Sigma_1, ..., Sigma_K | delta, alpha) = prod_k [delta^{nu d/2} |Sigma_k|^{-(nu+d+1)/2} / (2^{nu d/2} Gamma_d(nu/2))]
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

#: Draws of which one is kept, by its share of the floor; fewer where they would hold more than so many numbers.
TRIES, NUMBERS = 64, 2**22
_WORTH = tuple(2.0**i for i in range(8))
_ALPHA = tuple(2.0**i for i in range(6))


class SharedCovariances(Parametric):
    """Lower Cholesky factors of the covariances of several classes that share a scale; values (batch, classes, d, d).

        Sigma_k | S, delta ~ IW(delta + d - 1, delta S)      p(delta) ~ 1 / delta on 1, 2, 4, ..., 128
        S | alpha          ~ W(a, diag(v) / a)               a = alpha + d - 1, alpha uniform on 1, 2, 4, ..., 32

    S, delta and alpha are summed and integrated out.

    Args:
        spread: sqrt(v), in the units of the measurements, (batch, d).
        unit: The standard units, in the units of the measurements, (batch, d).
        classes: Number of classes.
        floor: Weight of exp(-floor tr(Sigma_k^-1) / 2), which keeps variances from 0; in standard units.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = SharedCovariances(torch.ones(2), torch.ones(2), classes=3)
        >>> round(law.log_prob(torch.eye(2).expand(3, 2, 2)).item(), 2)
        5.05
    """

    arg_constraints = {  # noqa: RUF012
        "spread": constraints.independent(constraints.positive, 1),
        "unit": constraints.independent(constraints.positive, 1),
    }
    parameter_dims = {"spread": 1, "unit": 1}  # noqa: RUF012
    support = constraints.independent(cholesky_factor, 1)
    has_rsample = False

    def __init__(
        self,
        spread: Tensor,
        unit: Tensor,
        classes: int,
        *,
        floor: float = 0.05,
        validate_args: bool | None = None,
    ) -> None:
        self.floor = floor
        d = spread.shape[-1]
        shape = torch.Size([classes, d, d])
        self._set_parameters(shape, validate_args, spread=spread, unit=unit)

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
        precision = (inverse.mT @ inverse).sum(-3)
        log_diagonal = torch.log(root.diagonal(dim1=-2, dim2=-1))
        powers = torch.arange(d, 0, -1, dtype=value.dtype, device=value.device)
        jacobian = k * d * math.log(2) + (powers * log_diagonal).sum((-2, -1))
        units = k * (powers.flip(-1) * torch.log(self.unit)).sum(-1)
        root_v = self.spread / self.unit
        log_det_sigma = 2 * log_diagonal.sum((-2, -1))
        between = precision * root_v[..., :, None] * root_v[..., None, :]
        identity = torch.eye(d, dtype=value.dtype, device=value.device)
        parts = []
        for worth in _WORTH:
            nu = worth + d - 1
            n = k * nu
            by_class = k * (0.5 * nu * d * math.log(worth / 2) - log_multigamma(nu / 2, d))
            by_class = by_class - 0.5 * (nu + d + 1) * log_det_sigma
            for alpha in _ALPHA:
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
                    torch.where(failed > 0, -torch.inf, by_class + shared - math.log(worth))
                )
        normaliser = math.log(sum(1 / worth for worth in _WORTH)) + math.log(len(_ALPHA))
        floor = -0.5 * self.floor * precision.diagonal(dim1=-2, dim2=-1).sum(-1)
        return torch.logsumexp(torch.stack(parts), 0) - normaliser + floor + jacobian - units

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            tries = _tries(shape.numel())
            batch, k, d = shape[:-3], shape[-3], shape[-1]
            v = (self.spread / self.unit).square().expand(*batch, d)
            root = _draw_roots(v.expand(tries, *batch, d), k)
            at = _passed(root, self.floor)[None, ..., None, None, None].expand(1, *root.shape[1:])
            return root.gather(0, at)[0] * self.unit[..., None, :, None]


class SharedSpread(Parametric):
    """Prior of the spread sqrt(v) of `SharedCovariances`: half-Cauchy, one ``unit`` wide; values (batch, d).

    The two sites together have the density of the whole prior, floor included. So draws of this one are those of spreads
    whose covariances pass the floor.

    Args:
        unit: The standard units, in the units of the measurements, (batch, d).
        classes: Number of classes.
        floor: As in `SharedCovariances`.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = SharedSpread(torch.ones(2), classes=3)
        >>> round(law.log_prob(torch.ones(2)).item(), 3)
        -2.289
    """

    arg_constraints = {"unit": constraints.independent(constraints.positive, 1)}  # noqa: RUF012
    parameter_dims = {"unit": 1}  # noqa: RUF012
    support = constraints.independent(constraints.positive, 1)
    has_rsample = False

    def __init__(
        self, unit: Tensor, classes: int, *, floor: float = 0.05, validate_args: bool | None = None
    ) -> None:
        self.classes, self.floor = classes, floor
        self._set_parameters(unit.shape[-1:], validate_args, unit=unit)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.classes, new.floor = self.classes, self.floor
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        each = math.log(2 / math.pi) - torch.log(self.unit) - torch.log1p((value / self.unit) ** 2)
        return each.sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            tries = _tries(shape.numel() * shape[-1] * self.classes)
            angle = torch.rand((tries, *shape), dtype=self.unit.dtype) * (math.pi / 2)
            spread = torch.tan(angle).clamp(1e-6, 1e6)
            at = _passed(_draw_roots(spread**2, self.classes), self.floor)
            return spread.gather(0, at[None, ..., None].expand(1, *shape))[0] * self.unit


def _draw_roots(v: Tensor, k: int) -> Tensor:
    """Roots (..., classes, d, d) in standard units of the law without the floor."""
    d = v.shape[-1]
    worths = torch.tensor(_WORTH, dtype=v.dtype)
    worth = worths[torch.multinomial(1 / worths, v[..., 0].numel(), replacement=True)]
    worth = worth.reshape(v.shape[:-1])
    alphas = torch.tensor(_ALPHA, dtype=v.dtype)
    a = alphas[torch.randint(len(_ALPHA), v.shape[:-1])] + d - 1
    scale = _bartlett(a, d) * (v / a[..., None]).sqrt()[..., None]
    psi = (scale * worth.sqrt()[..., None, None])[..., None, :, :].expand(*v.shape[:-1], k, d, d)
    factor = _bartlett((worth + d - 1)[..., None].expand(*v.shape[:-1], k), d)
    half = torch.linalg.solve_triangular(factor, psi.mT, upper=False).mT
    return torch.linalg.cholesky(half @ half.mT)


def _tries(numbers: int) -> int:
    """How many draws to choose from, where one draw holds so many numbers."""
    return max(1, min(TRIES, NUMBERS // max(1, numbers)))


def _passed(roots: Tensor, floor: float) -> Tensor:
    """(batch) which of the first axis of ``roots`` (tries, batch, classes, d, d) is kept, by its share of the floor."""
    precision = torch.linalg.inv(roots).square().sum((-3, -2, -1))
    logits = (-0.5 * floor * precision).movedim(0, -1)
    return torch.distributions.Categorical(logits=logits, validate_args=False).sample()


def _bartlett(df: Tensor, d: int) -> Tensor:
    """Lower A (..., d, d) with A A^T ~ W(df, I)."""
    shape = (*df.shape, d, d)
    halves = (df[..., None] - torch.arange(d, dtype=df.dtype)) / 2
    lower = torch.randn(shape, dtype=df.dtype).tril(-1)
    return lower + torch.diag_embed(torch.sqrt(2 * torch._standard_gamma(halves)))


def log_multigamma(a: float, d: int) -> float:
    """log Gamma_d(a)."""
    return float(multigammaln(a, d))
