"""Class-conditional Gaussian with full covariance under a normal-inverse-Wishart prior.

For class k with n rows, mean zbar and scatter S about it, and prior NIW(m0, kappa0, nu0, Psi0):

    kappa_n = kappa0 + n,  nu_n = nu0 + n,  m_n = (kappa0 m0 + n zbar) / kappa_n
    Psi_n = Psi0 + S + (kappa0 n / kappa_n) (zbar - m0)(zbar - m0)^T
    z | D ~ t_{nu_n - d + 1}(m_n, Psi_n (kappa_n + 1) / (kappa_n (nu_n - d + 1)))

Missing coordinates: the marginal t keeps the same degrees of freedom. Leave-one-out: with e = z - m_n,
s = kappa_n / (kappa_n - 1) and q = e^T Psi_n^{-1} e, taking z out gives

    z - m_{n-1} = s e,  |Psi_{n-1}| = |Psi_n| (1 - s q),  e^T Psi_{n-1}^{-1} e = q / (1 - s q),

so every case costs O(d^2). Sources: Murphy, Conjugate Bayesian analysis of the Gaussian distribution
(2007), 9; the down-date is the Sherman-Morrison identity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...distributions import InverseWishartCholesky
from ...errors import InputError
from ...features import Column
from .base import labelled


@dataclass(frozen=True)
class NIW:
    """NIW(mean (d,), kappa, nu, scale (d, d)); nu > d - 1, and E[Sigma] = scale / (nu - d - 1)."""

    mean: Tensor
    kappa: float
    nu: float
    scale: Tensor

    def __post_init__(self) -> None:
        d = len(self.mean)
        if self.nu <= d - 1:
            raise InputError(f"NIW: got nu0 = {self.nu:g}, expected more than d - 1 = {d - 1}")
        if self.kappa <= 0:
            raise InputError(f"NIW: got kappa0 = {self.kappa:g}, expected more than 0")

    @classmethod
    def around(cls, center: Tensor, spread: Tensor, kappa: float = 0.1) -> NIW:
        """nu0 = d + 2, so that E[Sigma] = diag(`spread`^2); `center`, `spread` (d,) in model units."""
        return cls(center, kappa, len(center) + 2.0, torch.diag(spread**2))


@dataclass(frozen=True)
class GaussianFactor:
    """Posterior of the class means and covariances; kappa, nu (classes,), mean (classes, d),
    scale (classes, d, d).
    """

    site: str
    column: Column
    labels: Tensor
    kappa: Tensor
    nu: Tensor
    mean: Tensor
    scale: Tensor
    mean_site: str = "mean"
    scale_tril_site: str = "scale_tril"

    @classmethod
    def fit(
        cls, site: str, column: Column, labels: Tensor, classes: int, prior: NIW
    ) -> GaussianFactor:
        """Update `prior` in each class by its complete rows; a row measured in part is refused by number.

        column.values (cases, d); labels (cases,). A class without rows keeps the prior.
        """
        labels = labelled(labels, classes)
        values, observed = _matrix(column)
        some = observed.any(-1)
        part = some & ~observed.all(-1)
        if bool(part.any()):
            row = int(part.nonzero()[0])
            raise InputError(
                f"feature '{site}', row {row + 1}: measured in part; the closed form needs complete rows "
                "to fit on (new cases may be incomplete); use --engine laplace"
            )
        member = torch.nn.functional.one_hot(labels, classes).to(values) * some[:, None]
        n = member.sum(0)
        center = (member.T @ values) / n.clamp(min=1)[:, None]
        deviation = (values - center[labels]) * some[:, None]
        scatter = torch.einsum("ik,ia,ib->kab", member, deviation, deviation)
        kappa, nu = prior.kappa + n, prior.nu + n
        shift = center - prior.mean
        weight = prior.kappa * n / kappa
        mean = (prior.kappa * prior.mean + n[:, None] * center) / kappa[:, None]
        scale = prior.scale + scatter + weight[:, None, None] * shift[:, :, None] * shift[:, None]
        return cls(site, column, labels, kappa, nu, mean, scale)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom of the predictive, (classes,)."""
        return self.nu - self.mean.shape[-1] + 1

    @property
    def predictive_scale(self) -> Tensor:
        """Scale matrix of the predictive t, (classes, d, d)."""
        factor = (self.kappa + 1) / (self.kappa * self.df)
        return self.scale * factor[:, None, None]

    def fitted_columns(self) -> Mapping[str, Column]:
        return {self.site: self.column}

    def log_predictive(self, columns: Mapping[str, Column]) -> Tensor:
        values, observed = _matrix(columns[self.site])
        out = values.new_zeros(len(values), len(self.kappa))
        patterns, which = torch.unique(observed, dim=0, return_inverse=True)
        for at, pattern in enumerate(patterns):
            kept = pattern.nonzero()[:, 0]
            if len(kept):
                rows = which == at
                scale = self.predictive_scale[:, kept][:, :, kept]
                out[rows] = _log_t(values[rows][:, kept], self.df, self.mean[:, kept], scale)
        return out

    def log_leave_one_out(self) -> Tensor:
        values, observed = _matrix(self.column)
        d = values.shape[-1]
        k = self.labels
        root = torch.linalg.cholesky(self.scale)
        half_log_det = torch.log(root.diagonal(dim1=-2, dim2=-1)).sum(-1)[k]
        e = values - self.mean[k]
        q = values.new_zeros(len(values))
        for c in range(len(self.kappa)):
            rows = k == c
            q[rows] = (torch.linalg.solve_triangular(root[c], e[rows].T, upper=False) ** 2).sum(0)
        kappa = self.kappa[k] - 1
        s = (kappa + 1) / kappa
        df = self.df[k] - 1
        left = 1 - s * q
        widening = (kappa + 1) / (kappa * df)
        distance = s**2 * q / left / widening
        out = (
            torch.lgamma((df + d) / 2)
            - torch.lgamma(df / 2)
            - 0.5 * d * torch.log(df * math.pi * widening)
            - half_log_det
            - 0.5 * torch.log(left)
            - 0.5 * (df + d) * torch.log1p(distance / df)
        )
        return torch.where(observed.all(-1), out, 0.0)

    def draw(self, n: int) -> dict[str, Tensor]:
        law = InverseWishartCholesky(
            self.nu, torch.linalg.cholesky(self.scale), validate_args=False
        )
        tril = law.sample((n,))
        noise = torch.randn(n, *self.mean.shape, dtype=self.mean.dtype)
        step = (tril @ noise[..., None])[..., 0] / torch.sqrt(self.kappa)[:, None]
        return {self.mean_site: self.mean + step, self.scale_tril_site: tril}


def _matrix(column: Column) -> tuple[Tensor, Tensor]:
    """Values and observed as (cases, d), also where the feature is a single number."""
    if column.values.dim() == 1:
        return column.values[:, None], column.observed[:, None]
    observed = column.observed
    return column.values, observed if observed.dim() == 2 else observed[:, None].expand(
        column.values.shape
    )


def _log_t(z: Tensor, df: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Multivariate t log density of z (cases, d) for every class, (cases, classes)."""
    d = z.shape[-1]
    root = torch.linalg.cholesky(scale)
    away = (z[None] - loc[:, None]).mT
    distance = (torch.linalg.solve_triangular(root, away, upper=False) ** 2).sum(-2).T
    half_log_det = torch.log(root.diagonal(dim1=-2, dim2=-1)).sum(-1)
    return (
        torch.lgamma((df + d) / 2)
        - torch.lgamma(df / 2)
        - 0.5 * d * torch.log(df * math.pi)
        - half_log_det
        - 0.5 * (df + d) * torch.log1p(distance / df)
    )
