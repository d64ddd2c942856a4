"""What an expert states about a case's class: a probability for each class, exact or in bins.

A statement s on the simplex is described by its centred log-ratios x = log s - mean log s, which are normal about a
location that the case's class decides,

    x | y ~ N(loc_y, scale^2 I) on the plane sum x = 0,   f(s) = f(x) / prod_k s_k   (up to a constant)

so that Bayes' rule turns statements into recalibrated evidence: an expert whose statements barely move with the class
counts for little, an overconfident one is toned down. A bin contributes its mass, as the mean of f over `GRID_POINTS` fixed
points spread over the bin (rescaled to sum to one); an exact 0 or 1 is read as the half unit of rounding beside it. A reader
who stated nothing (every bin 0 to 1) adds nothing. Source: Aitchison, JRSS B 44 (1982); recalibration as in Lindley,
Tversky and Brown, JRSS A 142 (1979).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ._base import Parametric

GRID_POINTS = 32


class StatedOpinion(Parametric):
    """What experts state about a case's class; values (batch, raters, classes, 2).

    A value is the lower and upper bound of each expert's probability of each class, equal where it is exact. With the
    centred log-ratios x of a statement s,

        x | y ~ N(loc_y, scale^2 I) on the plane sum x = 0,   f(s) = f(x) / prod_k s_k   (up to a constant)

    Source: Aitchison, JRSS B 44 (1982); recalibration as in Lindley, Tversky and Brown, JRSS A 142 (1979).

    Args:
        loc: Centred log-ratios to expect, (batch, raters, classes); the mean over classes is taken off.
        scale: Positive, of the log-ratios, (batch, raters).
        rounding: The unit to which exact probabilities were rounded.
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = StatedOpinion(torch.tensor([[1.0, -1.0]]), torch.tensor([1.0]))
        >>> stated = torch.tensor([[[0.8, 0.8], [0.2, 0.2]]])
        >>> bool(law.log_prob(stated) > law.log_prob(stated.flip(1)))
        True
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.independent(constraints.real, 2),
        "scale": constraints.independent(constraints.positive, 1),
    }
    parameter_dims = {"loc": 2, "scale": 1}  # noqa: RUF012
    support = constraints.independent(constraints.unit_interval, 3)

    def __init__(
        self,
        loc: Tensor,
        scale: Tensor,
        *,
        rounding: float = 0.01,
        validate_args: bool | None = None,
    ) -> None:
        self.rounding = rounding
        event = torch.Size((*loc.shape[-2:], 2))
        self._set_parameters(event, validate_args, loc=loc, scale=scale)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.rounding = self.rounding
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))[:-1]
            noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
            stated = torch.softmax(self.loc + self.scale[..., None] * noise, -1)
            return torch.stack([stated, stated], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        log_s, spoke = spread_points(value, self.rounding)
        x = log_s - log_s.mean(-1, keepdim=True)
        center = self.loc - self.loc.mean(-1, keepdim=True)
        dims = value.shape[-2] - 1
        distance = ((x - center[..., None, :]) ** 2).sum(-1) / self.scale[..., None] ** 2
        constant = dims * (torch.log(self.scale) + 0.5 * math.log(2 * math.pi))
        at_points = -0.5 * distance - log_s.sum(-1)
        each = torch.logsumexp(at_points, -1) - math.log(GRID_POINTS) - constant
        return torch.where(spoke, each, torch.zeros_like(each)).sum(-1)


def spread_points(value: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
    """Log of fixed points inside each statement (..., raters, points, classes), and who stated something (..., raters)."""
    low, high = value[..., 0], value[..., 1]
    spoke = (high - low < 1).any(-1)
    exact = low == high
    low = torch.where(exact & (high >= 1), torch.full_like(low, 1 - rounding / 2), low)
    high = torch.where(exact & (low <= 0), torch.full_like(high, rounding / 2), high)
    classes = value.shape[-2]
    # an additive recurrence (Kronecker sequence) covers the box evenly without randomness
    steps = torch.arange(1, GRID_POINTS + 1, dtype=value.dtype, device=value.device)
    primes = torch.tensor([2.0, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37][:classes])
    if len(primes) < classes:
        primes = torch.cat([primes, torch.arange(41.0, 41.0 + 2 * (classes - 12), 2.0)])
    share = torch.remainder(steps[:, None] * torch.sqrt(primes.to(value)), 1.0)
    if classes == 2:
        # two classes mirror each other, so that one even grid of midpoints serves both
        share = torch.stack([(steps - 0.5) / GRID_POINTS, 1 - (steps - 0.5) / GRID_POINTS], -1)
    points = low[..., None, :] + (high - low)[..., None, :] * share
    points = points / points.sum(-1, keepdim=True)
    return torch.log(points.clamp(min=1e-12)), spoke
