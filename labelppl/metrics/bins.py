"""Cutting forecasts into bins, and the sums over each bin that calibration errors are made of."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..arrays import Floats, Ints
from ..errors import InputError

Binning = Literal["width", "mass"]


def bin_index(forecast: Floats, bins: int, binning: Binning = "width") -> Ints:
    """Return the bin (cases,) of every forecast (cases,), numbered from 0."""
    if bins < 1:
        raise InputError(f"bins: got {bins}, expected at least 1")
    if binning == "width":
        # Compared with the rounded edges j/bins: .29 * 100 is below 29, .29 is not below 29/100.
        edges = np.arange(bins + 1) / bins
    elif binning == "mass":
        edges = np.unique(np.quantile(forecast, np.arange(bins + 1) / bins))
    else:
        raise InputError(f"binning: got {binning!r}, expected width or mass")
    last = max(len(edges) - 2, 0)
    return np.clip(np.searchsorted(edges, forecast, side="right") - 1, 0, last).astype(np.int64)


def bin_sums(
    forecast: Floats, outcome: Floats, weights: Floats, index: Ints
) -> tuple[Floats, Floats, Floats]:
    """Return count, sum of forecasts and sum of outcomes per bin, each (replicates, bins).

    `outcome` is (cases,), or (replicates, cases) where the replicates draw outcomes.
    """
    member = np.eye(int(index.max()) + 1)[index]
    return weights @ member, weights @ (member * forecast[:, None]), (weights * outcome) @ member
