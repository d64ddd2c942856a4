"""The training: loss per epoch, and how the weight prior was chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .style import FAINT, MAIN, colour

FEW_EPOCHS = 3


def learning_curve(axes: Axes, curve: pd.DataFrame, step: str) -> Axes:
    """Draw training loss and validation loss of one step.

    Args:
        axes: Where to draw.
        curve: The table `curve.csv`.
        step: The value of its column `step`.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> curve = pd.DataFrame({"step": ["step 1"] * 4, "loss": [.7, .6, .5, .5]})
        >>> learning_curve(plt.subplots()[1], curve, "step 1").get_title(loc="left")
        'step 1'
    """
    rows = curve[curve["step"].astype(str) == step]
    epoch = range(1, len(rows) + 1)
    dots = "o" if len(rows) <= FEW_EPOCHS else None
    lines = [(rows["loss"], MAIN, "-", "training loss")]
    if "penalty" in rows and (rows["penalty"] > 0).any():
        lines.append((rows["loss"] + rows["penalty"], MAIN, "--", "with weight prior"))
    if "val_nll" in rows and rows["val_nll"].notna().any():
        lines.append((rows["val_nll"], colour(1), "-", "validation loss"))
    for values, shade, style, name in lines:
        axes.plot(
            epoch, values, color=shade, linewidth=1.6, linestyle=style, marker=dots, label=name
        )
    axes.set_title(step, fontsize=9, loc="left")
    axes.set_xlabel("epoch")
    axes.grid(axis="y", color=FAINT, alpha=0.3, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(fontsize=8)
    return axes


def lambda_path(
    axes: Axes,
    grid: Sequence[float],
    nll: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    lam: float,
) -> Axes:
    """Draw the held-out loss at each λ, and the λ in force.

    Args:
        axes: Where to draw.
        grid: λ, (values,), infinity for the weights of step 1 themselves.
        nll: Log loss on held-out cases, (folds, values), nats.
        lam: The λ in force.

    Returns:
        The axes. Whiskers are one standard error of the mean over folds.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> nll = np.array([[.6, .5, .55], [.62, .5, .6]])
        >>> lambda_path(plt.subplots()[1], [np.inf, 1.0, 0.0], nll, 1.0).get_xlabel()
        'λ'
    """
    values = [float(value) for value in grid]
    order = np.argsort(values)
    mean = nll.mean(axis=0)[order]
    error = (
        nll.std(axis=0, ddof=1)[order] / np.sqrt(len(nll)) if len(nll) > 1 else np.zeros(len(order))
    )
    place = np.arange(len(order))
    axes.errorbar(
        place, mean, yerr=error, fmt="o-", color=MAIN, linewidth=1.4, capsize=3, markersize=4
    )
    names = ["∞" if np.isinf(values[i]) else f"{values[i]:g}" for i in order]
    at = [i for i, k in enumerate(order) if values[k] == lam]
    if at:
        axes.plot(
            at, mean[at], "o", color=colour(1), markersize=9, label=f"in force: λ = {names[at[0]]}"
        )
        axes.legend(fontsize=8)
    axes.set_xticks(place, names)
    axes.set_xlabel("λ")
    axes.set_ylabel("log loss on held-out cases, nats")
    axes.grid(axis="y", color=FAINT, alpha=0.3, linewidth=0.6)
    return axes
