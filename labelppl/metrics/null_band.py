"""What ECE and smECE would be if the forecasts were perfectly calibrated.

Labels are drawn from the forecasts themselves, y_i ~ Categorical(p_i), and the error is computed
again, many times: the noise floor of the measure for these forecasts and this many cases. An
observed error inside the band is no evidence of miscalibration; one beyond `upper` is. The draws
are independent; where cases of one group err together the true floor is higher.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import checked_probs
from ..seeds import stream
from .bins import bin_index, bin_sums
from .bootstrap import each_once
from .metric import detail_metric
from .pairs import Quantity, default_quantity
from .scored import Scored
from .smoothing import fixed_point, residual_mass

NULL_NUMBERS = 2_000_000
"""Outcomes held at once (replicates × cases), 16 MB per array."""


class NullBand(NamedTuple):
    """Mean and upper quantile of each error under perfect calibration.

    Attributes:
        ece_mean: Mean of the binned error.
        ece_upper: Its upper quantile.
        smece_mean: Mean of the smooth error.
        smece_upper: Its upper quantile.
        level: The level of both quantiles.
        smece_draws: (draws,) the smooth errors themselves.

    Examples:
        >>> p = np.linspace(0.05, 0.95, 200)
        >>> band: NullBand = null_band(np.column_stack([1 - p, p]), draws=100)
        >>> band.ece_mean < band.ece_upper, band.level
        (True, 0.95)
    """

    ece_mean: float
    ece_upper: float
    smece_mean: float
    smece_upper: float
    level: float
    smece_draws: Floats


def null_band(
    probs: ArrayLike,
    *,
    quantity: Quantity | None = None,
    bins: int = 10,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> NullBand:
    """Return what the calibration errors of these forecasts would be by chance, l1 and equal-width bins.

    Args:
        probs: (cases, classes) forecasts.
        quantity: `positive`, `top` or `classwise`; None: by the number of classes.
        bins: Of the binned error.
        draws: How many sets of labels are drawn from the forecasts.
        level: Of the upper quantiles.
        seed: Of the drawn labels.

    Returns:
        Mean and upper quantile of each error.

    Raises:
        InputError: An invalid row, fewer than one draw or a level outside (0, 1).

    Examples:
        >>> few, many = (np.full((n, 2), 0.5) for n in (20, 2000))
        >>> bool(null_band(few, draws=100).ece_mean > null_band(many, draws=100).ece_mean)
        True
    """
    p = checked_probs(probs)
    if draws < 1 or not 0.0 < level < 1.0:
        raise InputError(
            f"draws, level: got {draws} and {level:g}, expected at least 1 and between 0 and 1"
        )
    rng = stream(seed, "null band").numpy()
    chosen = quantity or default_quantity(p.shape[1])
    ece_draws, smece_draws = [], []
    for size in _chunks(draws, len(p)):
        labels = draw_labels(p, size, rng)
        binned, smoothed = _errors(p, labels, chosen, bins)
        ece_draws.append(binned)
        smece_draws.append(smoothed)
    binned, smoothed = np.concatenate(ece_draws), np.concatenate(smece_draws)
    return NullBand(
        float(binned.mean()),
        float(np.quantile(binned, level)),
        float(smoothed.mean()),
        float(np.quantile(smoothed, level)),
        level,
        smoothed,
    )


def null_of(scored: Scored) -> NullBand:
    """Return the null band of `scored` with its own bins and seed."""
    return null_band(scored.probs, bins=scored.settings.bins, seed=scored.settings.seed)


def draw_labels(probs: Floats, draws: int, rng: np.random.Generator) -> Ints:
    """Return labels (draws, cases) with y_i ~ Categorical(p_i)."""
    cumulative = probs.cumsum(axis=1)
    uniform = rng.random((draws, len(probs))) * cumulative[:, -1]
    labels = np.zeros((draws, len(probs)), dtype=np.int64)
    for k in range(probs.shape[1] - 1):
        labels += uniform >= cumulative[:, k]
    return labels


def _errors(probs: Floats, labels: Ints, quantity: Quantity, bins: int) -> tuple[Floats, Floats]:
    """ECE and smECE (draws,) of the forecasts against each row of labels (draws, cases)."""
    if quantity == "positive":
        columns = [(probs[:, 1], np.ones(len(probs), dtype=np.int64))]
    elif quantity == "top":
        predicted = probs.argmax(axis=1)
        columns = [(np.take_along_axis(probs, predicted[:, None], axis=1)[:, 0], predicted)]
    else:
        columns = [(probs[:, k], np.full(len(probs), k)) for k in range(probs.shape[1])]
    ones = each_once(len(probs))
    binned, smoothed = [], []
    for forecast, target in columns:
        outcome = np.asarray(labels == target, dtype=np.float64)
        count, predicted_sum, observed_sum = bin_sums(
            forecast, outcome, ones, bin_index(forecast, bins)
        )
        binned.append(np.abs(predicted_sum - observed_sum).sum(axis=1) / count.sum())
        mass = residual_mass(forecast, forecast - outcome, ones)
        smoothed.append(fixed_point(mass)[0])
    return np.mean(binned, axis=0), np.mean(smoothed, axis=0)


def _chunks(draws: int, cases: int) -> list[int]:
    size = max(1, NULL_NUMBERS // cases)
    return [min(size, draws - start) for start in range(0, draws, size)]


NULL_BANDS = (
    detail_metric(
        "ece_null_mean",
        "Calibration error by chance",
        "mean ece of a perfectly calibrated classifier with these forecasts",
        lambda scored: scored.once(null_of).ece_mean,
    ),
    detail_metric(
        "ece_null_upper",
        "Upper calibration error by chance",
        "ece that perfect calibration exceeds once in twenty samples",
        lambda scored: scored.once(null_of).ece_upper,
    ),
    detail_metric(
        "smece_null_mean",
        "Smooth calibration error by chance",
        "mean smece of a perfectly calibrated classifier with these forecasts",
        lambda scored: scored.once(null_of).smece_mean,
    ),
    detail_metric(
        "smece_null_upper",
        "Upper smooth calibration error by chance",
        "smece that perfect calibration exceeds once in twenty samples",
        lambda scored: scored.once(null_of).smece_upper,
    ),
)
"""The noise floor of the calibration errors, as metrics of their own."""
