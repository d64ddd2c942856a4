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
    """A Gamma law above a lower end; values (batch,).

        f(x) = Gamma(x; shape, rate) / P(Gamma > low),      x >= low

    The density's constant is taken at fixed shape and rate: they are meant to be numbers, not parameters.

    Args:
        shape: Positive, as torch's Gamma has it, (batch,).
        rate: Positive, per unit of the number, (batch,).
        low: The lower end, 0 or more, in the number's units.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = GammaFrom(1.0, 2.0, low=1.0)
        >>> [round(x, 3) for x in law.cdf(torch.tensor([1.0, 1.5])).tolist()]
        [0.0, 0.632]
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
