"""Log-normal law of several positive numbers of one case, with their correlation.

log f(z) = log N(log z; mu, Sigma) - sum_j log z_j
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric


class MultivariateLogNormal(Parametric):
    """Log-normal law of several positive numbers of one case, with their correlation; values (batch, numbers).

        log f(z) = log N(log z; mu, Sigma) - sum_j log z_j

    Args:
        loc: mu, on the log scale, (batch, numbers).
        scale_tril: Lower Cholesky factor of Sigma, on the log scale, (batch, numbers, numbers).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = MultivariateLogNormal(torch.zeros(2), torch.eye(2))
        >>> round(law.log_prob(torch.ones(2)).item(), 3)
        -1.838
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "scale_tril": constraints.lower_cholesky,
    }
    parameter_dims = {"loc": 1, "scale_tril": 2}  # noqa: RUF012
    support = constraints.independent(constraints.positive, 1)
    has_rsample = True

    def __init__(
        self, loc: Tensor, scale_tril: Tensor, *, validate_args: bool | None = None
    ) -> None:
        self._set_parameters(loc.shape[-1:], validate_args, loc=loc, scale_tril=scale_tril)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return torch.exp(self.loc + (self.scale_tril @ noise[..., None])[..., 0])

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        normal = torch.distributions.MultivariateNormal(
            self.loc, scale_tril=self.scale_tril, validate_args=False
        )
        log_value = torch.log(value)
        return normal.log_prob(log_value) - log_value.sum(-1)
