"""The learning curves of both steps, and the curve that λ was chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from ..plots.style import house_style
from ..plots.training import lambda_path, learning_curve
from ..training.optimum import optimum_in_words
from .svg import svg_of, to_svg

WIDE = 9.4


def learning_curves(curve: pd.DataFrame) -> Markup | None:
    """Return the picture of `curve.csv`: loss and validation loss per epoch, the steps side by side.

    None where the table has no rows or lacks the columns step and loss.
    """
    if len(curve) == 0 or not {"step", "loss"} <= set(curve.columns):
        return None
    steps = list(dict.fromkeys(curve["step"].astype(str)))
    with house_style():
        figure = Figure(figsize=(WIDE, 2.7), layout="constrained")
        for axes, step in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
            learning_curve(axes, curve, step)
        figure.axes[0].set_ylabel("nats per case")
        return to_svg(figure, "Learning curves of each training step")


def optimum_sentence(student: Mapping[str, Any]) -> str | None:
    """Return where step 2 ended, None where it did not run or its prior is not on weights."""
    optimum = (student.get("training") or {}).get("optimum")
    if not isinstance(optimum, Mapping) or not {"objective", "gradient", "gap"} <= set(optimum):
        return None
    words = optimum_in_words(optimum)
    return f"{words[0].upper()}{words[1:]}."


def lambda_curve(student: Mapping[str, Any]) -> Markup | None:
    """Return the held-out loss along the grid of λ, None where λ was stated or step 2 did not run."""
    lam = (student.get("training") or {}).get("lam") or {}
    grid, nll = lam.get("grid"), lam.get("nll")
    if not grid or not nll:
        return None
    table = np.atleast_2d(np.array(nll, dtype=np.float64))
    if table.shape[1] != len(grid):
        return None
    return svg_of(
        (4.6, 3.1),
        "Log loss on held-out cases against λ",
        lambda axes: lambda_path(axes, [float(value) for value in grid], table, float(lam["lam"])),
    )
