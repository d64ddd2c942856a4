"""Reliability curve with a consistency band.

Binned: mean outcome against mean forecast per bin. Smooth: the kernel regression of outcome on
forecast, μ(t) = (K_σ * y)(t) / (K_σ * 1)(t), at the bandwidth σ* of smECE or .1, whichever is less:
a badly calibrated sample has a σ* that would hide its shape.

The band shows where the curve would lie if the forecasts were right (Bröcker & Smith 2007): draw
forecasts with replacement, draw y ~ Bernoulli(forecast), compute the curve again, take pointwise
quantiles. A curve inside its band is consistent with calibration *at that point*; over many points
some will leave a 90 % band by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from ..errors import InputError
from ..seeds import stream
from .bins import bin_index, bin_sums
from .bootstrap import each_once
from .pairs import Quantity, calibration_pairs
from .smoothing import MESH, fixed_point, kernel_smooth, residual_mass

WIDEST = 0.1
SUPPORTED = 0.02
"""The smooth curve is drawn between the least and the greatest forecast, and there where the
forecasts' density is at least this share of its peak."""


@dataclass(frozen=True)
class Reliability:
    """A reliability curve, binned and smooth; only the non-empty bins are kept.

    Attributes:
        quantity: What was compared: `positive` or `top`.
        forecast: (bins,) mean forecast.
        frequency: (bins,) mean outcome.
        count: (bins,) number of cases.
        lo: (bins,) lower end of the consistency band of `frequency`.
        hi: (bins,) its upper end.
        at: (points,) forecasts at which the smooth curve is given, where there are enough of them.
        smooth: (points,) the smooth curve.
        smooth_lo: (points,) lower end of its consistency band.
        smooth_hi: (points,) its upper end.
        width: The bandwidth of the smooth curve.
        level: Of both bands.

    Examples:
        >>> p = np.array([0.1, 0.2, 0.7, 0.8])
        >>> curve: Reliability = reliability(np.column_stack([1 - p, p]), [0, 0, 1, 1], bins=2, draws=50)
        >>> curve.forecast.round(2).tolist(), curve.frequency.tolist(), curve.count.tolist()
        ([0.15, 0.75], [0.0, 1.0], [2.0, 2.0])
    """

    quantity: Quantity
    forecast: Floats
    frequency: Floats
    count: Floats
    lo: Floats
    hi: Floats
    at: Floats
    smooth: Floats
    smooth_lo: Floats
    smooth_hi: Floats
    width: float
    level: float


def reliability(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    quantity: Quantity | None = None,
    bins: int = 10,
    level: float = 0.9,
    draws: int = 500,
    seed: int = 0,
) -> Reliability:
    """Return the reliability curve of probabilities against labels.

    Args:
        probs: (cases, classes). For one class of many pass np.column_stack([1 - p, p]) and 0/1 labels.
        labels: (cases,) class numbers.
        quantity: `positive` or `top`; None: by the number of classes.
        bins: Equal-width bins of the binned curve.
        level: Of the consistency bands.
        draws: How many samples the bands are made of.
        seed: Of those samples.

    Returns:
        The curve with its bands.

    Raises:
        InputError: An invalid row, `classwise`, fewer than one draw or a level outside (0, 1).

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> p = rng.random(500)
        >>> curve = reliability(np.column_stack([1 - p, p]), (rng.random(500) < p).astype(int), draws=100)
        >>> bool((abs(curve.frequency - curve.forecast) < 0.15).all())
        True
    """
    if quantity == "classwise":
        raise InputError(
            "quantity: got classwise, expected positive or top; draw classes one by one"
        )
    if draws < 1 or not 0.0 < level < 1.0:
        raise InputError(
            f"draws, level: got {draws} and {level:g}, expected at least 1 and between 0 and 1"
        )
    pairs = calibration_pairs(probs, labels, quantity)
    forecast, outcome = pairs.forecast[:, 0], pairs.outcome[:, 0]
    index = bin_index(forecast, bins)
    ones = each_once(len(forecast))
    count, predicted, observed = (s[0] for s in bin_sums(forecast, outcome, ones, index))
    filled = count > 0
    mass = residual_mass(forecast, forecast - outcome, ones)
    width = min(float(fixed_point(mass)[1].item()), WIDEST)
    centre = (np.arange(MESH) + 0.5) / MESH
    density = _density(forecast, ones, width)[0]
    first, last = np.clip(np.array([forecast.min(), forecast.max()]) * MESH, 0, MESH - 1).astype(
        int
    )
    supported = density >= SUPPORTED * density.max()
    supported[:first] = supported[last + 1 :] = False

    binned, curves = _resampled(forecast, index, width, draws, stream(seed, "reliability").numpy())
    tail = [(1 - level) / 2, (1 + level) / 2]
    lo, hi = np.nanquantile(binned[:, filled], tail, axis=0)
    smooth_lo, smooth_hi = np.nanquantile(curves[:, supported], tail, axis=0)
    return Reliability(
        pairs.quantity,
        predicted[filled] / count[filled],
        observed[filled] / count[filled],
        count[filled],
        lo,
        hi,
        centre[supported],
        _curve(forecast, outcome, ones, width)[0][supported],
        smooth_lo,
        smooth_hi,
        width,
        level,
    )


def _resampled(
    forecast: Floats, index: Ints, width: float, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Binned (draws, bins) and smooth (draws, mesh) curves of calibrated resamples."""
    cases = len(forecast)
    binned, curves = [], []
    member = np.eye(int(index.max()) + 1)[index]
    for start in range(0, draws, 100):
        size = min(100, draws - start)
        chosen = rng.integers(0, cases, (size, cases)) + cases * np.arange(size)[:, None]
        weights = np.bincount(chosen.ravel(), minlength=size * cases).reshape(size, cases)
        hits = rng.binomial(weights, forecast).astype(np.float64)
        count = weights @ member
        with np.errstate(invalid="ignore"):
            binned.append((hits @ member) / count)
        rate = np.divide(hits, weights, out=np.zeros_like(hits), where=weights > 0)
        curves.append(_curve(forecast, rate, weights.astype(np.float64), width))
    return np.concatenate(binned), np.concatenate(curves)


def _density(forecast: Floats, weights: Floats, width: float) -> Floats:
    return kernel_smooth(residual_mass(forecast, np.ones_like(forecast), weights), width)


def _curve(forecast: Floats, outcome: Floats, weights: Floats, width: float) -> Floats:
    """Kernel regression of outcome on forecast (replicates, mesh); NaN where nothing is near."""
    hits = kernel_smooth(residual_mass(forecast, outcome, weights), width)
    density = _density(forecast, weights, width)
    near = density > 1e-9
    ratio = np.divide(hits, density, out=np.full_like(hits, np.nan), where=near)
    return np.clip(ratio, 0.0, 1.0)
