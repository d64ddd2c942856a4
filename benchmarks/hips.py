"""Measured hips of two classes, in about the proportions and spreads of the phantoms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelppl.model import LabelModel
from labelppl.table import Cases, cases_from_frame


def hips(n: int, missing: float, seed: int) -> pd.DataFrame:
    """n hips, a share of their measurements missing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    alpha = np.clip(rng.normal(np.where(y == 0, 61.0, 53.0), 5.5), 21, 89)
    mean = np.where(y == 0, 0.56, 0.46)
    coverage = rng.beta(40 * mean, 40 * (1 - mean))
    alpha[rng.random(n) < missing] = np.nan
    coverage[rng.random(n) < missing] = np.nan
    label = np.array(["normal", "dysplastic"], dtype=object)[y]
    return pd.DataFrame({"diagnosis": label, "alpha": alpha, "coverage": coverage})


def hip_cases(model: LabelModel, n: int, missing: float, seed: int = 0) -> Cases:
    """The same, read by the hip model; with a split given, none has to be made."""
    frame = hips(n, missing, seed).assign(split="train")
    return cases_from_frame(frame, model.label_name, model.label, model.features)
