"""Calibration error with the bias of its own noise removed.

The binned error is biased upwards: the outcomes of a bin scatter about its true rate even when
the forecast is right. Per bin, with mean forecast p̄, outcome rate ȳ and count n_b,

    l2²  Σ_b n_b/n [ (p̄ − ȳ)² − ȳ(1 − ȳ)/(n_b − 1) ],   clamped at 0, then the root
    l1   2·plugin − Σ_b n_b/n E|g_b|,   g_b ~ N(p̄ − ȳ, ȳ(1 − ȳ)/n_b),   clamped at 0

A bin with a single case has no variance estimate and contributes 0 to l2, as in the source. The
mean of a folded normal is known, so l1 needs no resampling:
E|N(g, s²)| = s√(2/π) exp(−g²/2s²) + g (1 − 2Φ(−g/s)).
Source: Kumar, Liang, Ma 2019, "Verified uncertainty calibration" (which resamples for l1).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import foldnorm

from ..arrays import Floats
from ..errors import InputError
from .bins import Binning, bin_index, bin_sums
from .bootstrap import each_once
from .ece import plug_in
from .intervals import error_of
from .metric import Metric
from .null_band import null_of
from .pairs import Quantity, calibration_pairs
from .scored import Scored


def debiased_ece(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    quantity: Quantity | None = None,
    bins: int = 10,
    binning: Binning = "width",
    norm: Literal["l1", "l2"] = "l1",
) -> float:
    """Return the debiased calibration error in [0, 1] of `probs` (cases, classes).

    Hard labels (cases,) only: the correction is the variance of a 0/1 outcome. Classwise, the mean
    over classes. Raises InputError for invalid rows or an unknown option.
    """
    if np.ndim(labels) != 1:
        raise InputError(
            f"labels: got shape {np.shape(labels)}, expected (cases,) hard labels; "
            "soft labels have no 0/1 noise to remove, use ece"
        )
    forecast, outcome, _ = calibration_pairs(probs, labels, quantity)
    weights = each_once(len(forecast))
    error = debiased_replicates(forecast, outcome, weights, bins=bins, binning=binning, norm=norm)
    return float(error.item())


def debiased_replicates(
    forecast: Floats,
    outcome: Floats,
    weights: Floats,
    *,
    bins: int = 10,
    binning: Binning = "width",
    norm: Literal["l1", "l2"] = "l1",
) -> Floats:
    """Return the debiased error (replicates,) of the cases counted by `weights`.

    Shapes as `ece.ece_replicates`: (cases, columns), (cases, columns), (replicates, cases).
    """
    if norm not in ("l1", "l2"):
        raise InputError(f"norm: got {norm!r}, expected l1 or l2")
    per_column = []
    for column in range(forecast.shape[1]):
        f = forecast[:, column]
        count, predicted, observed = bin_sums(
            f, outcome[:, column], weights, bin_index(f, bins, binning)
        )
        safe = np.maximum(count, 1.0)
        rate = np.clip(observed / safe, 0.0, 1.0)
        gap = np.abs(predicted - observed) / safe
        share = count / count.sum(axis=1, keepdims=True)
        if norm == "l2":
            noise = rate * (1 - rate) / np.maximum(count - 1, 1.0)
            squares = np.where(count >= 2, gap**2 - noise, 0.0)
            per_column.append(np.sqrt(np.maximum((share * squares).sum(axis=1), 0.0)))
        else:
            spread = np.sqrt(rate * (1 - rate) / safe)
            expected = np.where(spread > 0, _folded_mean(gap, spread), gap)
            per_column.append(np.maximum((share * (2 * gap - expected)).sum(axis=1), 0.0))
    return np.asarray(np.mean(per_column, axis=0), dtype=np.float64)


def _folded_mean(gap: Floats, spread: Floats) -> Floats:
    safe = np.where(spread > 0, spread, 1.0)
    return np.asarray(foldnorm.mean(gap / safe) * safe)


def _replicates(scored: Scored, weights: Floats) -> Floats:
    forecast, outcome, _ = scored.pairs
    return debiased_replicates(forecast, outcome, weights, bins=scored.settings.bins)


ECE_DEBIASED = Metric(
    "ece_debiased",
    "Calibration error, debiased",
    "calibration error in bins with the upward bias of its own sampling noise removed",
    "down",
    needs=("labels",),
    value=lambda scored: float(_replicates(scored, each_once(len(scored))).item()),
    replicates=_replicates,
    interval=error_of(lambda scored: scored.once(null_of).ece_upper, plug_in=plug_in),
)
