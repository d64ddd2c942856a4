"""Inverse-Wishart law of a covariance, written for its Cholesky factor L.

    Sigma = L L^T ~ IW(nu, Psi):  f(Sigma) = |Psi|^{nu/2} |Sigma|^{-(nu+d+1)/2} e^{-tr(Psi Sigma^-1)/2}
                                             / (2^{nu d/2} Gamma_d(nu/2))
    dSigma/dL = 2^d prod_i L_ii^{d-i+1}          (i = 1..d)

so that a Pyro model may sample L and hand it to `MultivariateNormal(scale_tril=L)`; with
`mean ~ N(m0, Sigma / kappa0)` the pair is the normal-inverse-Wishart prior, conjugate to Gaussian rows.
Sampling uses the Bartlett factor of the precision. Source: Murphy, Conjugate Bayesian analysis of the
Gaussian distribution (2007), 9.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from ._cholesky import cholesky_factor


class InverseWishartCholesky(Parametric):
    """Lower Cholesky factor L of an inverse-Wishart covariance Sigma = L L^T; values (batch, d, d).

        f(Sigma) = |Psi|^{nu/2} |Sigma|^{-(nu+d+1)/2} e^{-tr(Psi Sigma^-1)/2} / (2^{nu d/2} Gamma_d(nu/2))

    Source: Murphy, Conjugate Bayesian analysis of the Gaussian distribution (2007), 9.

    Args:
        df: nu > d - 1, (batch,).
        scale_tril: Lower Cholesky factor of the scale matrix Psi, (batch, d, d).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = InverseWishartCholesky(4.0, torch.eye(2))
        >>> round(law.log_prob(torch.eye(2)).item(), 3)
        -2.838
    """

    arg_constraints = {  # noqa: RUF012
        "df": constraints.positive,
        "scale_tril": constraints.lower_cholesky,
    }
    parameter_dims = {"df": 0, "scale_tril": 2}  # noqa: RUF012
    support = cholesky_factor
    has_rsample = False

    def __init__(
        self, df: Tensor | float, scale_tril: Tensor, *, validate_args: bool | None = None
    ) -> None:
        self._set_parameters(scale_tril.shape[-2:], validate_args, df=df, scale_tril=scale_tril)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sigma = C A^-T A^-1 C^T with Psi = C C^T and A the lower Bartlett factor of W(nu, I)."""
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            d = shape[-1]
            df, c = self.df.expand(shape[:-2]), self.scale_tril.expand(shape)
            bartlett = torch.randn(shape, dtype=c.dtype, device=c.device).tril(-1)
            halves = (df[..., None] - torch.arange(d, dtype=c.dtype, device=c.device)) / 2
            bartlett = bartlett + torch.diag_embed(torch.sqrt(2 * torch._standard_gamma(halves)))
            root = torch.linalg.solve_triangular(bartlett, c.mT, upper=False).mT
            return torch.linalg.cholesky(root @ root.mT)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        d = value.shape[-1]
        root = torch.linalg.solve_triangular(value, self.scale_tril, upper=False)
        half_log_scale = torch.log(self.scale_tril.diagonal(dim1=-2, dim2=-1)).sum(-1)
        log_diagonal = torch.log(value.diagonal(dim1=-2, dim2=-1))
        powers = torch.arange(d, 0, -1, dtype=value.dtype, device=value.device)
        jacobian = d * math.log(2) + (powers * log_diagonal).sum(-1)
        df = self.df
        constant = df * d / 2 * math.log(2) + torch.special.multigammaln(df / 2, d)
        return (
            df * half_log_scale
            - (df + d + 1) * log_diagonal.sum(-1)
            - 0.5 * (root**2).sum((-2, -1))
            - constant
            + jacobian
        )
