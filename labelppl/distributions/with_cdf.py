"""Beta, Gamma, Student-t and log-normal laws with the distribution function that torch lacks or cannot differentiate.

    Beta:      F(x) = I_x(a, b)
    Gamma:     F(x) = P(a, rate x)
    Student-t: F(x) = I_{nu / (nu + t^2)}(nu/2, 1/2) / 2 for t = (x - loc) / scale < 0, by symmetry above
    Log-normal: F(x) = Phi((log x - loc) / scale), with a gradient also at x = 0

Censored entries need F with gradients in the parameters. Everything else is Pyro's.
"""

from __future__ import annotations

import pyro.distributions as dist
import torch
from torch import Tensor

from ._incomplete import betainc, gammainc


class Beta(dist.Beta):
    """Beta law of a share in (0, 1), with a distribution function that has gradients: F(x) = I_x(a, b).

    Args:
        concentration1: a > 0, (batch,).
        concentration0: b > 0, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> round(Beta(2.0, 2.0).cdf(torch.tensor(0.25)).item(), 3)
        0.156
    """

    def cdf(self, value: Tensor) -> Tensor:
        return betainc(self.concentration1, self.concentration0, value)


class Gamma(dist.Gamma):
    """Gamma law of a positive number, with a distribution function that has gradients: F(x) = P(a, rate x).

    Args:
        concentration: a > 0, (batch,).
        rate: Positive, per unit of the number, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> round(Gamma(1.0, 2.0).cdf(torch.tensor(0.5)).item(), 3)
        0.632
    """

    def cdf(self, value: Tensor) -> Tensor:
        return gammainc(self.concentration, self.rate * value)


class StudentT(dist.StudentT):
    """Student-t law, with a distribution function that has gradients.

        F(x) = I_{nu / (nu + t^2)}(nu/2, 1/2) / 2 for t = (x - loc) / scale < 0, by symmetry above

    Args:
        df: nu > 0, (batch,).
        loc: Centre, (batch,).
        scale: Positive, in the units of the values, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> round(StudentT(1.0).cdf(torch.tensor(1.0)).item(), 3)
        0.75
    """

    def cdf(self, value: Tensor) -> Tensor:
        t = (value - self.loc) / self.scale
        at_centre = t == 0
        t_ = torch.where(at_centre, torch.ones_like(t), t)
        half = torch.full_like(self.df, 0.5)
        tail = 0.5 * betainc(self.df / 2, half, self.df / (self.df + t_**2))
        value = torch.where(t_ < 0, tail, 1 - tail)
        return torch.where(at_centre, 0.5 + t * _density_at_centre(self.df), value)


class LogNormal(dist.LogNormal):
    """Log-normal law of a positive number, with a distribution function that has a gradient also at 0.

        F(x) = Phi((log x - loc) / scale)

    Args:
        loc: Mean of the logarithm, (batch,).
        scale: Positive, standard deviation of the logarithm, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> LogNormal(0.0, 1.0).cdf(torch.tensor([0.0, 1.0])).tolist()
        [0.0, 0.5]
    """

    def cdf(self, value: Tensor) -> Tensor:
        inside = value > 0
        log_value = torch.log(torch.where(inside, value, torch.ones_like(value)))
        below = torch.special.ndtr((log_value - self.loc) / self.scale)
        return torch.where(inside, below, torch.zeros_like(below))


def _density_at_centre(df: Tensor) -> Tensor:
    """f(0), so that the gradient at the centre is right where the expansion has a square root."""
    log_f = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(df * torch.pi)
    return torch.exp(log_f)
