"""Libby-Novick law: c = d2 / (d1 + d2) for gamma lengths with unequal rates.

    f(c) = lambda^a c^{a-1} (1-c)^{b-1} / {B(a,b) [1 - (1-lambda) c]^{a+b}}

with d2 ~ Gamma(a, rate r2), d1 ~ Gamma(b, rate r1) and lambda = r2 / r1; lambda = 1 is the Beta law.
u = lambda c / (1 - (1-lambda) c) is Beta(a, b), which gives samples and the distribution function.
Source: Libby and Novick, J. Educational Statistics 7 (1982).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric
from ._incomplete import betainc


class LibbyNovick(Parametric):
    """Libby-Novick law of a ratio c = d2 / (d1 + d2) of gamma lengths with unequal rates; values (batch,).

        f(c) = lambda^a c^{a-1} (1-c)^{b-1} / {B(a,b) [1 - (1-lambda) c]^{a+b}}

    lambda = 1 is the Beta law. Source: Libby and Novick, J. Educational Statistics 7 (1982).

    Args:
        a: Positive, shape of d2, (batch,).
        b: Positive, shape of d1, (batch,).
        rate_ratio: lambda > 0, the rate of d2 over that of d1, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = LibbyNovick(2.0, 2.0, rate_ratio=3.0)
        >>> round(law.cdf(torch.tensor(0.25)).item(), 3)
        0.5
    """

    arg_constraints = {  # noqa: RUF012
        "a": constraints.positive,
        "b": constraints.positive,
        "rate_ratio": constraints.positive,
    }
    parameter_dims = {"a": 0, "b": 0, "rate_ratio": 0}  # noqa: RUF012
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        a: Tensor | float,
        b: Tensor | float,
        rate_ratio: Tensor | float = 1.0,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(torch.Size(), validate_args, a=a, b=b, rate_ratio=rate_ratio)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = torch.distributions.Beta(self.a, self.b, validate_args=False).rsample(
            torch.Size(sample_shape)
        )
        return u / (u + self.rate_ratio * (1 - u))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a, b, ratio = self.a, self.b, self.rate_ratio
        log_beta = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
        return (
            torch.xlogy(a, ratio)
            + torch.xlogy(a - 1, value)
            + torch.special.xlog1py(b - 1, -value)
            - log_beta
            - (a + b) * torch.log1p((ratio - 1) * value)
        )

    def cdf(self, value: Tensor) -> Tensor:
        u = self.rate_ratio * value / (1 + (self.rate_ratio - 1) * value)
        return betainc(self.a, self.b, u)
