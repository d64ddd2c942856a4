"""CORP decomposition of the Brier score: miscalibration, discrimination, uncertainty.

    BS = MCB − DSC + UNC
    MCB = BS(p) − BS(p̂),  DSC = BS(ȳ) − BS(p̂),  UNC = BS(ȳ)

p̂ is the isotonic (pool-adjacent-violators) regression of the outcomes on the forecasts, ȳ the
class frequency. The identity is exact and needs no bins; MCB and DSC are never negative. With two
classes the forecast is the second class's probability; with more, the terms are sums over classes
and add up to the multiclass score. Source: Dimitriadis, Gneiting & Jordan 2021.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..calibration.pav import isotonic
from .metric import detail_metric
from .pairs import calibration_pairs
from .scored import Scored


class Corp(NamedTuple):
    """The score and its parts; score = miscalibration − discrimination + uncertainty.

    `recalibrated` holds the isotonic forecasts (cases, columns): one column with two classes,
    one per class otherwise (these need not sum to 1).
    """

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    recalibrated: Floats


def corp(probs: ArrayLike, labels: ArrayLike) -> Corp:
    """Return the decomposition of `probs` (cases, classes) against `labels` (cases,).

    Raises InputError for an invalid or unlabelled row.
    """
    binary = np.ndim(probs) == 2 and np.shape(probs)[1] == 2
    forecast, outcome, _ = calibration_pairs(probs, labels, "positive" if binary else "classwise")
    recalibrated = np.column_stack(
        [isotonic(forecast[:, k], outcome[:, k]) for k in range(forecast.shape[1])]
    )

    def score(prediction: Floats) -> float:
        return float(np.square(prediction - outcome).sum(axis=1).mean())

    raw, best, climate = score(forecast), score(recalibrated), score(outcome.mean(axis=0))
    return Corp(raw, raw - best, climate - best, climate, recalibrated)


def _parts(scored: Scored) -> Corp:
    return corp(scored.probs, scored.labels)


BRIER_PARTS = (
    detail_metric(
        "brier_mcb",
        "Lost to miscalibration",
        "part of the Brier score lost to miscalibration (CORP)",
        lambda scored: scored.once(_parts).miscalibration,
    ),
    detail_metric(
        "brier_dsc",
        "Gained by discrimination",
        "part of the Brier score gained by discrimination (CORP)",
        lambda scored: scored.once(_parts).discrimination,
    ),
    detail_metric(
        "brier_unc",
        "Of the class frequencies",
        "Brier score of always forecasting the class frequencies (CORP)",
        lambda scored: scored.once(_parts).uncertainty,
    ),
)
"""The parts of the Brier score, as metrics of their own."""
