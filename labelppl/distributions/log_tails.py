"""log P(X <= x) and log P(X > x), each accurate in its own far tail, with gradients in the parameters.

A cell such as `<10` or `>60` contributes the mass of an interval. From F alone the upper tail is lost beyond F = 1 - 1e-16,
and the lower one where torch's F has no gradient, so that a law here tells both logarithms:

    Normal, log-normal, logit-normal    log Phi by erfcx below -1
    Student t, Beta, Libby-Novick       incomplete beta, either side by its own continued fraction (DLMF 8.17.22)
    Gamma and what is made from it      incomplete gamma, series below the mean and continued fraction above
    exponential, Weibull, Pareto, Gumbel, Laplace, logistic, Cauchy, half-normal, half-Cauchy, uniform: elementary
    a mixture                           its components' tails, added by their weights
    a law made by a monotone map        the tails of the law it is made from, at the mapped value

A law of the user's own is asked for its methods ``log_cdf`` and ``log_survival``, else for its ``cdf``, whose upper tail is
then 1 - F.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import TransformedDistribution

from ._incomplete import log_betainc, log_gammainc
from .libby_novick import LibbyNovick
from .logit_normal import LogitNormal
from .ratio_of_normals import RatioOfNormals
from .zero_one_inflated import ZeroOneInflated


class Tails(NamedTuple):
    """log P(X <= x) and log P(X > x), each with the shape of x and the law's parameters together."""

    below: Tensor
    above: Tensor

    def mirror(self) -> Tails:
        """The tails of -X at -x, for a continuous X."""
        return Tails(self.above, self.below)


def log_tails(fn: Any, x: Tensor) -> Tails:
    """Both tails of the scalar law ``fn`` at ``x``, which lies inside its support.

    Raises NotImplementedError where the law has no distribution function.
    """
    for kind, rule in _RULES:
        if isinstance(fn, kind):
            return rule(fn, x)
    if hasattr(fn, "log_cdf") and hasattr(fn, "log_survival"):
        return Tails(fn.log_cdf(x), fn.log_survival(x))
    if isinstance(fn, TransformedDistribution):
        return _tails_of_map(fn, x)
    below = fn.cdf(x)
    tiny = torch.finfo(below.dtype).tiny
    return Tails(torch.log(below.clamp(min=tiny)), torch.log((1 - below).clamp(min=tiny)))


def log_between(low: Tails, high: Tails) -> Tensor:
    """log P(low < X <= high) from the tails at both ends, on the side where they are accurate."""
    left = high.below <= low.above
    top = torch.where(left, high.below, low.above)
    rest = torch.where(left, low.below, high.above)
    open_end = rest == -torch.inf
    tiny = torch.finfo(top.dtype).tiny
    gap = torch.where(open_end, -1.0, torch.where(top == -torch.inf, -1.0, rest - top))
    closed = top + torch.log(-torch.expm1(gap.clamp(max=-tiny)))
    return torch.where(open_end, top, closed)


def log_ndtr(x: Tensor) -> Tensor:
    """log Phi(x). torch.special.log_ndtr has no batching rule and would make vmap loop."""
    tail = x < -1
    low, high = torch.where(tail, x, -1.0), torch.where(tail, 0.0, x)
    in_tail = torch.log(0.5 * torch.special.erfcx(-low / math.sqrt(2))) - 0.5 * low.square()
    return torch.where(tail, in_tail, torch.log1p(-0.5 * torch.erfc(high / math.sqrt(2))))


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)), x < 0."""
    x = x.clamp(max=-1e-300)
    near = x > -math.log(2)
    by_expm1 = torch.log(-torch.expm1(torch.where(near, x, -1.0)))
    return torch.where(near, by_expm1, torch.log1p(-torch.exp(torch.where(near, -1.0, x))))


def _standard_normal(z: Tensor) -> Tails:
    return Tails(log_ndtr(z), log_ndtr(-z))


def _normal(fn: Any, x: Tensor) -> Tails:
    return _standard_normal((x - fn.loc) / fn.scale)


def _logit_normal(fn: Any, x: Tensor) -> Tails:
    return _standard_normal((torch.logit(x) - fn.loc) / fn.scale)


def _student_t(fn: Any, x: Tensor) -> Tails:
    t = (x - fn.loc) / fn.scale
    at_centre = t == 0
    t_ = torch.where(at_centre, 1.0, t)
    half = torch.full_like(fn.df, 0.5)
    tail = log_betainc(fn.df / 2, half, fn.df / (fn.df + t_.square()))[0] - math.log(2)
    rest = _log1mexp(tail)
    below = torch.where(t_ < 0, tail, rest)
    above = torch.where(t_ < 0, rest, tail)
    # f(0), so that the gradient at the centre is right where the expansion has a square root.
    log_f = torch.lgamma((fn.df + 1) / 2) - torch.lgamma(fn.df / 2)
    slope = torch.exp(log_f - 0.5 * torch.log(fn.df * torch.pi))
    return Tails(
        torch.where(at_centre, torch.log(0.5 + t * slope), below),
        torch.where(at_centre, torch.log(0.5 - t * slope), above),
    )


def _gamma(fn: Any, x: Tensor) -> Tails:
    return Tails(*log_gammainc(fn.concentration, fn.rate * x))


def _beta(fn: Any, x: Tensor) -> Tails:
    return Tails(*log_betainc(fn.concentration1, fn.concentration0, x))


def _libby_novick(fn: Any, x: Tensor) -> Tails:
    u = fn.rate_ratio * x / (1 + (fn.rate_ratio - 1) * x)
    return Tails(*log_betainc(fn.a, fn.b, u))


def _ratio_of_normals(fn: Any, x: Tensor) -> Tails:
    """P(X/Y > w) is P(-X/Y <= -w); Hinkley's orthants give either tail to 1e-12 of the whole mass."""
    mirrored = RatioOfNormals(
        -fn.numerator,
        fn.denominator,
        fn.numerator_scale,
        fn.denominator_scale,
        -fn.correlation,
        validate_args=False,
    )
    tiny = torch.finfo(x.dtype).tiny
    below, above = fn.cdf(x).clamp(min=tiny), mirrored.cdf(-x).clamp(min=tiny)
    return Tails(torch.log(below), torch.log(above))


def _tails_with_masses(fn: Any, x: Tensor) -> Tails:
    inner = log_tails(fn.base, x)
    masses = torch.log(fn.masses)
    return Tails(
        torch.logaddexp(masses[..., 0], masses[..., 1] + inner.below),
        torch.logaddexp(masses[..., 2], masses[..., 1] + inner.above),
    )


def _exponential(fn: Any, x: Tensor) -> Tails:
    above = -fn.rate * x
    return Tails(_log1mexp(above), above)


def _half_normal(fn: Any, x: Tensor) -> Tails:
    above = math.log(2) + log_ndtr(-x / fn.scale)
    return Tails(_log1mexp(above), above)


def _cauchy(fn: Any, x: Tensor) -> Tails:
    z = (x - fn.loc) / fn.scale
    one = torch.ones_like(z)
    return Tails(
        torch.log(torch.atan2(one, -z) / math.pi), torch.log(torch.atan2(one, z) / math.pi)
    )


def _half_cauchy(fn: Any, x: Tensor) -> Tails:
    z = x / fn.scale
    above = torch.log(2 / math.pi * torch.atan2(torch.ones_like(z), z))
    return Tails(torch.log(2 / math.pi * torch.atan(z)), above)


def _laplace(fn: Any, x: Tensor) -> Tails:
    z = (x - fn.loc) / fn.scale
    tail = -z.abs() - math.log(2)
    rest = torch.log1p(-torch.exp(tail))
    return Tails(torch.where(z < 0, tail, rest), torch.where(z < 0, rest, tail))


def _logistic(fn: Any, x: Tensor) -> Tails:
    z = (x - fn.loc) / fn.scale
    return Tails(-torch.nn.functional.softplus(-z), -torch.nn.functional.softplus(z))


def _gumbel(fn: Any, x: Tensor) -> Tails:
    below = -torch.exp(-(x - fn.loc) / fn.scale)
    return Tails(below, _log1mexp(below))


def _uniform(fn: Any, x: Tensor) -> Tails:
    width = torch.log(fn.high - fn.low)
    return Tails(torch.log(x - fn.low) - width, torch.log(fn.high - x) - width)


def _mixture(fn: Any, x: Tensor) -> Tails:
    parts = log_tails(fn.component_distribution, x.unsqueeze(-1))
    weights = torch.log_softmax(fn.mixture_distribution.logits, -1)
    return Tails(*(torch.logsumexp(weights + part, -1) for part in parts))


def _tails_of_map(fn: Any, x: Tensor) -> Tails:
    """The base law's tails at the mapped value; a falling map exchanges them."""
    sign: Any = 1
    for transform in reversed(fn.transforms):
        if transform.sign is NotImplemented:
            raise NotImplementedError
        x = transform.inv(x)
        sign = sign * transform.sign
    tails = log_tails(fn.base_dist, x)
    if isinstance(sign, int):
        return tails if sign > 0 else tails.mirror()
    rising = torch.as_tensor(sign) > 0
    return Tails(
        torch.where(rising, tails.below, tails.above),
        torch.where(rising, tails.above, tails.below),
    )


_RULES: tuple[tuple[Any, Callable[[Any, Tensor], Tails]], ...] = (
    (torch.distributions.Normal, _normal),
    (torch.distributions.StudentT, _student_t),
    (torch.distributions.Gamma, _gamma),
    (torch.distributions.Beta, _beta),
    (torch.distributions.Exponential, _exponential),
    (torch.distributions.HalfNormal, _half_normal),
    (torch.distributions.HalfCauchy, _half_cauchy),
    (torch.distributions.Cauchy, _cauchy),
    (torch.distributions.Laplace, _laplace),
    (torch.distributions.Gumbel, _gumbel),
    (torch.distributions.Uniform, _uniform),
    (dist.Logistic, _logistic),
    (torch.distributions.MixtureSameFamily, _mixture),
    (LogitNormal, _logit_normal),
    (LibbyNovick, _libby_novick),
    (RatioOfNormals, _ratio_of_normals),
    (ZeroOneInflated, _tails_with_masses),
)
