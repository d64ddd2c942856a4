"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from torch import Tensor

from labelppl.inference.laplace import laplace
from labelppl.model import LabelDensity


@pytest.fixture
def away() -> Callable[..., Tensor]:
    """Distance of true parameters from the posterior mean in posterior standard deviations, (dim,)."""

    def distance(density: LabelDensity, truth: Mapping[str, Tensor], draws: int = 1000) -> Tensor:
        found = laplace(density, seed=0, draws=draws)
        assert found.log_weights is not None
        weight, points = found.log_weights.exp()[0, :, None], found.points[0]
        mean = (weight * points).sum(0)
        sd = (weight * (points - mean) ** 2).sum(0).sqrt()
        return (density.parameters.unconstrain(truth) - mean) / sd

    return distance
