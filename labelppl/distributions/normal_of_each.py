"""Several numbers of one case whose transforms are jointly normal: what the log-normal and the logit-normal vector share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric


class NormalOfEach(Parametric):
    """The law of z with g(z) ~ N(loc, Sigma), g taken of each number.

        log f(z) = log N(g(z); mu, Sigma) + sum_j log g'(z_j)

    Subclasses name their `support` and implement `to_normal`, `from_normal` and `log_slope`.
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "scale_tril": constraints.lower_cholesky,
    }
    parameter_dims = {"loc": 1, "scale_tril": 2}  # noqa: RUF012
    has_rsample = True

    def __init__(
        self, loc: Tensor, scale_tril: Tensor, *, validate_args: bool | None = None
    ) -> None:
        self._set_parameters(loc.shape[-1:], validate_args, loc=loc, scale_tril=scale_tril)

    @staticmethod
    @abstractmethod
    def to_normal(value: Tensor) -> Tensor:
        """g."""

    @staticmethod
    @abstractmethod
    def from_normal(value: Tensor) -> Tensor:
        """The inverse of g."""

    @staticmethod
    @abstractmethod
    def log_slope(value: Tensor) -> Tensor:
        """log g'."""

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.from_normal(self.loc + (self.scale_tril @ noise[..., None])[..., 0])

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        normal = torch.distributions.MultivariateNormal(
            self.loc, scale_tril=self.scale_tril, validate_args=False
        )
        return normal.log_prob(self.to_normal(value)) + self.log_slope(value).sum(-1)
