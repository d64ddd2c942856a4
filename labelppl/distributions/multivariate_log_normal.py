"""Log-normal law of several positive numbers of one case, with their correlation.

log f(z) = log N(log z; mu, Sigma) - sum_j log z_j
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import constraints

from .normal_of_each import NormalOfEach


class MultivariateLogNormal(NormalOfEach):
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

    support = constraints.independent(constraints.positive, 1)
    to_normal = staticmethod(torch.log)
    from_normal = staticmethod(torch.exp)

    @staticmethod
    def log_slope(value: Tensor) -> Tensor:
        return -torch.log(value)
