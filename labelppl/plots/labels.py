"""Soft labels: their intervals, case by case, and all of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .style import FAINT, INK, colour, short, unit_axis

MOST_NAMED = 8
"""Classes that a legend names."""


def forest(axes: Axes, labels: pd.DataFrame, classes: tuple[str, ...]) -> Axes:
    """Draw one line per case: the soft label and its 90 % interval.

    Args:
        axes: Where to draw.
        labels: Rows of `labels.parquet`, from top to bottom.
        classes: Names of the classes. Of more than two, the two likeliest of each case are drawn.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> rows = pd.DataFrame({"id": ["a"], "label": ["ill"], "p_well": .3, "p_ill": .7, "lo_well": .1, "lo_ill": .5,
        ...     "hi_well": .5, "hi_ill": .9})
        >>> [float(y) for y in forest(plt.subplots()[1], rows, ("well", "ill")).get_ylim()]
        [0.6, -0.6]
    """
    binary = len(classes) == 2
    codes = _codes(labels, classes)
    for place, ((_, row), label) in enumerate(zip(labels.iterrows(), codes, strict=True)):
        values = np.array([row[f"p_{name}"] for name in classes], dtype=np.float64)
        shown = [1] if binary else list(np.argsort(-values)[:2])
        for step, k in enumerate(shown):
            y = place if binary else place + 0.34 * (step - 0.5)
            known = label if binary else k
            shade = FAINT if known < 0 else colour(int(known))
            span = [row[f"lo_{classes[k]}"], row[f"hi_{classes[k]}"]]
            axes.plot(span, [y, y], color=shade, linewidth=1.8, solid_capstyle="butt")
            face = shade if binary or k == label else "white"
            axes.plot(values[k], y, "o", color=shade, markersize=5, markerfacecolor=face)
    axes.set_yticks(range(len(labels)), [short(str(i)) for i in labels["id"]])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.axvline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    axes.tick_params(axis="y", length=0)
    unit_axis(
        axes,
        f"probability of {classes[1]}, given the measurements"
        if binary
        else "probability of the two likeliest classes",
    )
    used = sorted({int(g) for g in codes} | (set() if binary else _leading(labels, classes)))
    for k in used:
        name = "unlabelled" if k < 0 else f"labelled {classes[k]}" if binary else classes[k]
        if k >= 0 or binary:
            shade = FAINT if k < 0 else colour(k)
            axes.plot([], [], "o-", color=shade, label=short(name, 28), markersize=5)
    axes.figure.legend(loc="outside upper left", ncols=4, fontsize=8)
    return axes


def label_histogram(axes: Axes, labels: pd.DataFrame, classes: tuple[str, ...]) -> Axes:
    """Draw all soft labels, stacked by the given label; of more than two classes the largest of each case.

    Args:
        axes: Where to draw.
        labels: The table `labels.parquet`.
        classes: Names of the classes.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> rows = pd.DataFrame({"label": ["ill"], "p_well": [.3], "p_ill": [.7]})
        >>> label_histogram(plt.subplots()[1], rows, ("well", "ill")).get_xlabel()
        'soft label of ill'
    """
    probs = labels[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    codes = _codes(labels, classes)
    binary = len(classes) == 2
    values = probs[:, 1] if binary else probs.max(axis=1)
    groups = [k for k in (-1, *range(len(classes))) if (codes == k).any()]
    axes.hist(
        [values[codes == k] for k in groups],
        bins=list(np.linspace(0, 1, 21)),
        stacked=True,
        color=[FAINT if k < 0 else colour(k) for k in groups],
        label=["unlabelled" if k < 0 else short(classes[k], 20) for k in groups],
        edgecolor="white",
        linewidth=0.4,
    )
    unit_axis(axes, f"soft label of {short(classes[1], 24)}" if binary else "largest soft label")
    axes.set_ylabel("cases", color=INK)
    if len(groups) <= MOST_NAMED:
        axes.figure.legend(loc="outside upper left", ncols=3, fontsize=8)
    return axes


def _codes(labels: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """The given label of each case, -1 where there is none."""
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(labels["label"])))


def _leading(labels: pd.DataFrame, classes: tuple[str, ...]) -> set[int]:
    values = labels[[f"p_{name}" for name in classes]].to_numpy()
    return {int(k) for k in np.argsort(-values, axis=1)[:, :2].ravel()}
