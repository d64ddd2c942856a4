"""`GammaFrom`: a Gamma distribution above a lower end.

f(x) = Gamma(x; shape, rate) / P(Gamma > low),      x >= low
"""

from __future__ import annotations

from typing import Any

import torch
from scipy.special import gammaincc, gammainccinv
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric


class GammaFrom(Parametric):
    """shape, rate (batch) positive, as torch's Gamma has them; low: the lower end, a number of 0 or more.

    The density's constant is taken at fixed shape and rate: they are meant to be numbers, not parameters.
    """

    arg_constraints = {"shape": constraints.positive, "rate": constraints.positive}  # noqa: RUF012
    parameter_dims = {"shape": 0, "rate": 0}  # noqa: RUF012

    def __init__(
        self,
        shape: Tensor | float,
        rate: Tensor | float,
        low: float,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.low = low
        self._set_parameters(torch.Size(), validate_args, shape=shape, rate=rate)

    @property
    def support(self) -> Any:
        return constraints.greater_than(self.low)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.low = self.low
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            size = self._extended_shape(torch.Size(sample_shape))
            share = torch.rand(size, dtype=self.shape.dtype) * self._tail()
            x = gammainccinv(self.shape.expand(size).numpy(), share.numpy())
            return torch.as_tensor(x) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        law = torch.distributions.Gamma(self.shape, self.rate, validate_args=False)
        return torch.as_tensor(law.log_prob(value) - torch.log(self._tail()))

    def cdf(self, value: Tensor) -> Tensor:
        below = torch.special.gammainc(self.shape, self.rate * value)
        tail = self._tail()
        return ((below - (1 - tail)) / tail).clamp(0, 1)

    def _tail(self) -> Tensor:
        return torch.as_tensor(gammaincc(self.shape.numpy(), (self.rate * self.low).numpy()))
