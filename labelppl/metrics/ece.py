"""Expected calibration error in bins.

    ECE_r = ( Σ_b n_b/n |mean forecast_b − mean outcome_b|^r )^{1/r}      r = 1 (l1) or 2 (l2)
    MCE   = max over non-empty bins of the same gap                       (max)

Bins are [lo, hi), the last one closed, so that forecasts of exactly 0 and 1 are counted. `width`
cuts [0, 1] into equal lengths, `mass` at the quantiles of the forecasts. What is forecast is a
choice too (see `pairs`). Source: Guo et al. 2017; Naeini et al. 2015 (there (lo, hi], which loses
forecasts of exactly 0).

Never read it without its null band (`null_band`): with 152 cases and ten bins a perfectly
calibrated classifier scores .08 on average.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from .bins import Binning, bin_index, bin_sums
from .bootstrap import each_once
from .intervals import error_of
from .metric import Metric
from .null_band import null_of
from .pairs import Quantity, calibration_pairs
from .scored import Scored

Norm = Literal["l1", "l2", "max"]


def ece(
    probs: ArrayLike,
    reference: ArrayLike,
    *,
    quantity: Quantity | None = None,
    bins: int = 10,
    binning: Binning = "width",
    norm: Norm = "l1",
) -> float:
    """Return the calibration error in [0, 1] of `probs` (cases, classes).

    `reference` is hard labels (cases,) or soft labels (cases, classes). Classwise, the mean over
    classes. Raises InputError for invalid rows or an unknown option.
    """
    forecast, outcome, _ = calibration_pairs(probs, reference, quantity)
    weights = each_once(len(forecast))
    error = ece_replicates(forecast, outcome, weights, bins=bins, binning=binning, norm=norm)
    return float(error.item())


def ece_replicates(
    forecast: Floats,
    outcome: Floats,
    weights: Floats,
    *,
    bins: int = 10,
    binning: Binning = "width",
    norm: Norm = "l1",
) -> Floats:
    """Return the error (replicates,) of the cases counted by `weights` (replicates, cases).

    `forecast` and `outcome` are (cases, columns); the result is the mean over columns. The bins
    are those of the forecasts themselves, the same for every replicate.
    """
    per_column = []
    for column in range(forecast.shape[1]):
        f = forecast[:, column]
        count, predicted, observed = bin_sums(
            f, outcome[:, column], weights, bin_index(f, bins, binning)
        )
        per_column.append(_pooled(count, predicted, observed, norm))
    return np.asarray(np.mean(per_column, axis=0), dtype=np.float64)


def _pooled(count: Floats, predicted: Floats, observed: Floats, norm: Norm) -> Floats:
    filled = count > 0
    gap = np.divide(np.abs(predicted - observed), count, out=np.zeros_like(count), where=filled)
    if norm == "max":
        return np.asarray(gap.max(axis=1))
    share = count / count.sum(axis=1, keepdims=True)
    if norm == "l1":
        return np.asarray((share * gap).sum(axis=1))
    if norm == "l2":
        return np.asarray(np.sqrt((share * gap**2).sum(axis=1)))
    raise InputError(f"norm: got {norm!r}, expected l1, l2 or max")


def _replicates(scored: Scored, weights: Floats) -> Floats:
    forecast, outcome, _ = scored.pairs
    return ece_replicates(forecast, outcome, weights, bins=scored.settings.bins)


def plug_in(scored: Scored) -> float:
    """Return the binned error of `scored`, bias and all."""
    return float(_replicates(scored, each_once(len(scored))).item())


ECE = Metric(
    "ece",
    "Calibration error (ECE)",
    "expected calibration error in equal-width bins; compare with its null band",
    "down",
    needs=("labels",),
    value=plug_in,
    replicates=_replicates,
    interval=error_of(lambda scored: scored.once(null_of).ece_upper),
)
