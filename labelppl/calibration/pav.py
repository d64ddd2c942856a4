"""Pool adjacent violators: the non-decreasing least-squares fit, shared by the isotonic maps and by CORP."""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from ..arrays import Floats


def isotonic(forecast: Floats, outcome: Floats) -> Floats:
    """Return the non-decreasing least-squares fit (cases,) of outcome on forecast.

    Equal forecasts get equal values: they are pooled before the fit.
    """
    _, index, count = np.unique(forecast, return_inverse=True, return_counts=True)
    mean = np.bincount(index, weights=outcome) / count
    fit = isotonic_regression(mean, weights=count).x
    return np.asarray(fit[index], dtype=np.float64)
