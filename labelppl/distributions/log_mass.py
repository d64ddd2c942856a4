"""log P(low < X <= high) of a scalar law: what a censored cell contributes.

On the line by `log_tails`. On the circle the interval is the arc from low to high, at most a turn long; its mass is made
from tails towards the antipode of the mean direction, each by quadrature of the density in logs, so that an arc far from
the mean keeps its relative precision.
"""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor

from .axial_von_mises import AxialVonMises
from .half_circle_von_mises import HalfCircleVonMises
from .log_tails import Tails, log_between, log_tails
from .von_mises import VonMises, log_upper_tail


def log_mass(fn: Any, low: Tensor, high: Tensor, inside: Tensor) -> Tensor:
    """log P(low < X <= high) (cases,), or broadcast with the law's parameters; -inf outside the support.

    low and high (cases,), infinite where the interval is open; inside: a value of the support for each case, which takes
    the place of an end beyond the support, so that gradients stay finite. Raises NotImplementedError where the law has no
    distribution function.
    """
    while isinstance(fn, dist.MaskedDistribution | dist.Independent):
        fn = fn.base_dist
    if isinstance(fn, VonMises | dist.VonMises):
        return log_arc(low - fn.loc, high - fn.loc, fn.concentration)
    if isinstance(fn, AxialVonMises):
        return log_arc(2 * (low - fn.loc), 2 * (high - fn.loc), fn.concentration)
    first, last = edges(fn.support)
    below, above = low <= first, high >= last
    outside = (high <= first) | (low >= last)
    low = torch.where(below | outside, inside, low)
    high = torch.where(above | outside, inside, high)
    if isinstance(fn, HalfCircleVonMises):
        low, high = torch.where(below, 0.0, low), torch.where(above, math.pi, high)
        arc = log_arc(low - fn.loc, high - fn.loc, fn.concentration)
        return torch.where(outside, -torch.inf, arc - torch.log(fn.mass))
    at_low, at_high = log_tails(fn, low), log_tails(fn, high)
    at_low = Tails(
        torch.where(below, -torch.inf, at_low.below), torch.where(below, 0.0, at_low.above)
    )
    at_high = Tails(
        torch.where(above, 0.0, at_high.below), torch.where(above, -torch.inf, at_high.above)
    )
    return torch.where(outside, -torch.inf, log_between(at_low, at_high))


def edges(support: Any) -> tuple[Tensor, Tensor]:
    """The ends of the support of a scalar law, infinite where it is open."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    low = getattr(support, "lower_bound", -math.inf)
    high = getattr(support, "upper_bound", math.inf)
    return torch.as_tensor(low), torch.as_tensor(high)


def log_arc(low: Tensor, high: Tensor, concentration: Tensor) -> Tensor:
    """log mass of the von Mises law on the arc from ``low`` to ``high``, offsets from its mean direction, high >= low.

    With T(x) the mass between the offset x in [0, pi] and the antipode pi, an arc that starts at a in [-pi, pi) is

        both ends before the mean       T(-b) - T(-a)         both after it      T(a) - T(b)
        over the mean                   1 - T(-a) - T(b)      over the antipode  T(a) + T(-b)
        from before it, over both       1 - T(-a) + T(-b)     from after it, over both   1 + T(a) - T(b)
    """
    turn = 2 * math.pi
    low, high, concentration = torch.broadcast_tensors(low, high, concentration)
    start = torch.floor((low + math.pi) / turn).detach()
    a, b = low - turn * start, high - turn * start
    wraps = b >= math.pi
    b = torch.where(wraps, b - turn, b)
    # A whole turn or more ends where it began or later.
    whole = high - low >= turn
    # Not abs(), which has no slope at 0.
    log_a = log_upper_tail(torch.where(a < 0, -a, a), concentration)
    log_b = log_upper_tail(torch.where(b < 0, -b, b), concentration)
    larger, smaller = torch.maximum(log_a, log_b), torch.minimum(log_a, log_b)
    tiny = torch.finfo(larger.dtype).tiny
    difference = larger + torch.log(-torch.expm1((smaller - larger).clamp(max=-tiny)))
    together = torch.logaddexp(log_a, log_b)
    over_mean = torch.log1p(-torch.exp(together).clamp(max=1 - 1e-15))
    nearly_all = torch.log1p(-torch.exp(difference))
    same_side = (a < 0) == (b < 0)
    plain = torch.where(same_side, difference, over_mean)
    wrapped = torch.where(same_side, nearly_all, together)
    return torch.where(whole, 0.0, torch.where(wraps, wrapped, plain))
