"""Class-conditional linear regression under a normal-inverse-gamma prior; angle + linear, form (a).

    x | theta ~ N(b0 + b1 cos theta + b2 sin theta, sigma^2),  b | sigma^2 ~ N(m0, sigma^2 / Lambda0),
    sigma^2 ~ InverseGamma(a0, c0)
    Lambda_n = Lambda0 + X^T X,  m_n = Lambda_n^{-1} (Lambda0 m0 + X^T x),  a_n = a0 + n/2
    c_n = c0 + (x^T x + m0^T Lambda0 m0 - m_n^T Lambda_n m_n) / 2
    x_new | D ~ t_{2 a_n}(u^T m_n, c_n / a_n (1 + u^T Lambda_n^{-1} u))

Leave-one-out with leverage h = u^T Lambda_n^{-1} u and residual e = x - u^T m_n: the residual becomes
e / (1 - h), c loses e^2 / (2 (1 - h)), a loses 1/2, and the scale^2 is c / a / (1 - h). Source: Gelman et
al., Bayesian Data Analysis, 14.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ...features import Column
from .base import labelled, refuse_censored


@dataclass(frozen=True)
class NIG:
    """mean (p,), precision (p,) in units of 1/sigma^2, and sigma^2 ~ InverseGamma(shape, rate)."""

    mean: Tensor
    precision: Tensor
    shape: float
    rate: float


def harmonic_design(angle: Tensor) -> Tensor:
    """(cases,) radians -> (cases, 3): one, cosine, sine."""
    return torch.stack([torch.ones_like(angle), torch.cos(angle), torch.sin(angle)], -1)


@dataclass(frozen=True)
class RegressionFactor:
    """Posterior of the regression of `response` on the angle `angle` in each class.

    precision (classes, 3, 3), mean (classes, 3), shape and rate (classes,).
    """

    angle: str
    response: str
    columns: Mapping[str, Column]
    labels: Tensor
    precision: Tensor
    mean: Tensor
    shape: Tensor
    rate: Tensor
    coefficient_site: str = "coefficients"
    variance_site: str = "variance"

    @classmethod
    def fit(
        cls,
        angle: str,
        response: str,
        columns: Mapping[str, Column],
        labels: Tensor,
        classes: int,
        *,
        prior: NIG,
    ) -> RegressionFactor:
        """Rows without the response add nothing; a response without its angle is refused by row."""
        labels = labelled(labels, classes)
        design, x, present = _rows(angle, response, columns)
        member = torch.nn.functional.one_hot(labels, classes).to(x) * present[:, None]
        n = member.sum(0)
        base = torch.diag(prior.precision)
        precision = base + torch.einsum("ik,ia,ib->kab", member, design, design)
        moment = base @ prior.mean + torch.einsum("ik,ia,i->ka", member, design, x)
        mean = torch.linalg.solve(precision, moment)
        residual = x[:, None] - design @ mean.T
        pulled = mean - prior.mean
        rate = (
            prior.rate
            + 0.5 * (member * residual**2).sum(0)
            + 0.5 * (pulled**2 * prior.precision).sum(-1)
        )
        kept = {angle: columns[angle], response: columns[response]}
        return cls(angle, response, kept, labels, precision, mean, prior.shape + n / 2, rate)

    def fitted_columns(self) -> Mapping[str, Column]:
        return self.columns

    def log_predictive(self, columns: Mapping[str, Column]) -> Tensor:
        design, x, present = _rows(self.angle, self.response, columns)
        leverage = torch.einsum("ia,kab,ib->ik", design, torch.linalg.inv(self.precision), design)
        residual = x[:, None] - design @ self.mean.T
        out = _log_t(residual, 2 * self.shape, self.rate / self.shape * (1 + leverage))
        return torch.where(present[:, None], out, 0.0)

    def log_leave_one_out(self) -> Tensor:
        design, x, present = _rows(self.angle, self.response, self.columns)
        k = self.labels
        inverse = torch.linalg.inv(self.precision)
        leverage = torch.einsum("ia,kab,ib->ik", design, inverse, design).gather(1, k[:, None])[
            :, 0
        ]
        residual = x - (design * self.mean[k]).sum(-1)
        left = 1 - leverage
        shape, rate = self.shape[k] - 0.5, self.rate[k] - 0.5 * residual**2 / left
        out = _log_t(residual / left, 2 * shape, rate / shape / left)
        return torch.where(present, out, 0.0)

    def draw(self, n: int) -> dict[str, Tensor]:
        gamma = torch.distributions.Gamma(self.shape, self.rate).sample(torch.Size([n]))
        variance = 1 / gamma
        root = torch.linalg.cholesky(torch.linalg.inv(self.precision))
        noise = torch.randn(n, *self.mean.shape, dtype=self.mean.dtype)
        step = (root @ noise[..., None])[..., 0] * torch.sqrt(variance)[..., None]
        return {self.coefficient_site: self.mean + step, self.variance_site: variance}


def _rows(
    angle: str, response: str, columns: Mapping[str, Column]
) -> tuple[Tensor, Tensor, Tensor]:
    for name in (angle, response):
        refuse_censored(name, columns[name])
    present = columns[response].observed
    lost = present & ~columns[angle].observed
    if bool(lost.any()):
        row = int(lost.nonzero()[0])
        raise InputError(
            f"row {row + 1}: '{response}' measured without '{angle}', on which it depends; the closed form "
            "needs both; leave both empty or use --engine laplace with an independent model"
        )
    return harmonic_design(columns[angle].values), columns[response].values, present


def _log_t(residual: Tensor, df: Tensor, scale2: Tensor) -> Tensor:
    return (
        torch.lgamma((df + 1) / 2)
        - torch.lgamma(df / 2)
        - 0.5 * torch.log(df * math.pi * scale2)
        - 0.5 * (df + 1) * torch.log1p(residual**2 / (df * scale2))
    )
