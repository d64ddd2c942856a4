"""Forecasts with known truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

Sample = tuple[Any, Any]


@pytest.fixture
def calibrated() -> Callable[..., Sample]:
    """Draw (probs, labels) with labels from the probabilities themselves."""

    def draw(cases: int, classes: int = 2, seed: int = 0, scale: float = 1.5) -> Sample:
        rng = np.random.default_rng(seed)
        probs = softmax(rng.normal(0, scale, (cases, classes)), axis=1)
        labels = (rng.random(cases)[:, None] > probs.cumsum(axis=1)).sum(axis=1)
        return probs, np.minimum(labels, classes - 1)

    return draw


@pytest.fixture
def binary() -> Callable[[Any], Any]:
    """Turn p of the second class into probs (cases, 2)."""

    def pair(p: Any) -> Any:
        second = np.asarray(p, dtype=np.float64)
        return np.column_stack([1 - second, second])

    return pair
