"""Von Mises law on the circle, in radians.

    log f(t) = -2 kappa sin^2((t - mu)/2) - log(2 pi i0e(kappa)),   i0e(k) = exp(-k) I0(k)

which equals kappa cos(t - mu) - log(2 pi I0(kappa)) without its cancellation: torch's own density is
off by .096 in float32 at kappa = 1e6, and its Bessel polynomial by 5e-7 in float64. Fits take the form
linear in cos t and sin t (`natural_form`), whose cancellation is harmless in float64. The distribution
function is Gauss-Legendre quadrature of that density from the nearer tail, so that small tail masses
keep their relative precision. Source: Mardia and Jupp, Directional Statistics (2000), 3.5.4.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric, gauss_legendre
from .log_density import ExponentialFamily, natural_form, von_mises_form

_NODES = 48


def log_i0(x: Tensor) -> Tensor:
    """log I0(x), x >= 0, without overflow."""
    return torch.log(torch.special.i0e(x)) + x


def offset_log_density(offset: Tensor, concentration: Tensor) -> Tensor:
    """Log density at the angle `offset` (radians) from the mean direction."""
    return -2 * concentration * torch.sin(offset / 2) ** 2 - torch.log(
        2 * math.pi * torch.special.i0e(concentration)
    )


def log_upper_tail(offset: Tensor, concentration: Tensor) -> Tensor:
    """log mass between ``offset`` in [0, pi] and pi, both measured from the mean direction.

    The quadrature ends where the integrand has fallen by e^-37, at the offset d + w with cos(d + w) = cos d - 37 / kappa.
    """
    nodes, weights = gauss_legendre(_NODES, offset)
    end = torch.cos(offset) - 37 / concentration
    falls = end > -1 + 1e-9
    width = torch.where(falls, torch.acos(torch.where(falls, end, 0.0)), math.pi) - offset
    # Where nothing is left, the mass is that of a vanishing width.
    width = width.clamp(min=torch.finfo(width.dtype).tiny)
    at = offset[..., None] + width[..., None] * nodes
    inner = offset_log_density(at, concentration[..., None]) + weights.log()
    return torch.log(width) + torch.logsumexp(inner, -1)


def upper_tail(offset: Tensor, concentration: Tensor) -> Tensor:
    """Mass between ``offset`` in [0, pi] and pi, both measured from the mean direction."""
    return torch.exp(log_upper_tail(offset, concentration))


def cumulative(offset: Tensor, concentration: Tensor) -> Tensor:
    """Antiderivative of the density that is 0 at -pi, 1 at pi and gains 1 with every turn."""
    turns = torch.floor((offset + math.pi) / (2 * math.pi)).detach()
    wrapped = offset - 2 * math.pi * turns
    below = wrapped < 0
    tail = upper_tail(torch.where(below, -wrapped, wrapped), concentration)
    return turns + torch.where(below, tail, 1 - tail)


def sample_offsets(concentration: Tensor, shape: torch.Size) -> Tensor:
    """Angles in [-pi, pi) around a mean direction of zero (Best and Fisher 1979, as in torch)."""
    law = torch.distributions.VonMises(
        torch.zeros_like(concentration), concentration, validate_args=False
    )
    return law.sample(shape)


class Periodic(Parametric):
    """A von Mises law of ``folds`` times the value: the value is the same again after 2 pi / folds.

    log f(t) = kappa cos(folds (t - mu)) - log(2 pi I0(kappa)) + log folds
    """

    #: How many times the density repeats itself within a turn.
    folds: ClassVar[int] = 1

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}  # noqa: RUF012
    parameter_dims = {"loc": 0, "concentration": 0}  # noqa: RUF012
    has_rsample = False

    def __init__(
        self,
        loc: Tensor | float,
        concentration: Tensor | float,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._set_parameters(torch.Size(), validate_args, loc=loc, concentration=concentration)

    @property
    def _half(self) -> float:
        return math.pi / self.folds

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.interval(self.loc - self._half, self.loc + self._half)

    def _validate_sample(self, value: Tensor) -> None:
        if not bool(torch.isfinite(value).all()):
            name = type(self).__name__
            raise ValueError(f"{name}: got a value that is not finite, expected radians")

    @property
    def mean(self) -> Tensor:
        return self.loc

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            offsets = sample_offsets(self.concentration, torch.Size(sample_shape))
            return self.loc + offsets / self.folds

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        offset = self.folds * (value - self.loc)
        return offset_log_density(offset, self.concentration) + math.log(self.folds)

    def cdf(self, value: Tensor) -> Tensor:
        """Mass from half a period below zero to `value`; `cdf(b) - cdf(a)` is that of any stretch a <= b."""
        start = torch.full_like(self.loc, -self._half)
        return self._antiderivative(value) - self._antiderivative(start)

    def _antiderivative(self, value: Tensor) -> Tensor:
        offset = self.folds * (value - self.loc)
        return cumulative(*torch.broadcast_tensors(offset, self.concentration))


def _periodic_form(fn: Periodic, value: Tensor) -> ExponentialFamily:
    form = von_mises_form(fn.folds * value, fn.folds * fn.loc, fn.concentration)
    return form._replace(constant=form.constant + math.log(fn.folds))


natural_form(Periodic.log_prob, _periodic_form)


class VonMises(Periodic):
    """Von Mises law of an angle; values (batch,), radians.

        log f(t) = kappa cos(t - mu) - log(2 pi I0(kappa))

    As a latent its support is the turn centred at ``loc``, so that chains cannot wind; as an observation any representative
    of an angle is accepted, since the density is periodic. Samples lie in the support. Source: Mardia and Jupp,
    Directional Statistics (2000), 3.5.4.

    Args:
        loc: Mean direction mu, radians, (batch,).
        concentration: kappa > 0, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = VonMises(0.0, 2.0)
        >>> [round(x, 3) for x in law.log_prob(torch.tensor([0.5, 0.5 + 2 * torch.pi])).tolist()]
        [-0.907, -0.907]
    """

    @property
    def variance(self) -> Tensor:
        """Circular variance 1 - I1/I0."""
        k = self.concentration
        return 1 - torch.special.i1e(k) / torch.special.i0e(k)
