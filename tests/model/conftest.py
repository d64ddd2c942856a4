"""Label models and tables for the tests of the model room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from labelppl.model import LabelModel, load_model
from labelppl.table import Cases, cases_from_frame


@pytest.fixture(scope="session")
def hip() -> LabelModel:
    return load_model("hip")


@pytest.fixture(scope="session")
def read() -> Callable[..., Cases]:
    """Cases of a frame, or of columns, for a model."""

    def read(model: LabelModel, frame: pd.DataFrame | None = None, **columns: object) -> Cases:
        table = pd.DataFrame(columns) if frame is None else frame
        return cases_from_frame(table, model.label_name, model.label, model.features)

    return read


@pytest.fixture(scope="session")
def hip_frame() -> Callable[..., pd.DataFrame]:
    """Hips with some labels and measurements missing."""

    def make(
        n: int = 40, seed: int = 0, missing: float = 0.2, unlabelled: float = 0.3
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, n)
        alpha = rng.normal(np.where(y == 0, 61.0, 53.0), 5.5)
        mean = np.where(y == 0, 0.56, 0.46)
        coverage = rng.beta(40 * mean, 40 * (1 - mean))
        label = np.array(["normal", "dysplastic"], dtype=object)[y]
        label[rng.random(n) < unlabelled] = None
        alpha[rng.random(n) < missing] = np.nan
        coverage[rng.random(n) < missing] = np.nan
        return pd.DataFrame(
            {
                "id": [f"h{i}" for i in range(n)],
                "diagnosis": label,
                "alpha": alpha,
                "coverage": coverage,
            }
        )

    return make
