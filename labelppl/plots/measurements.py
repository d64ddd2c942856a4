"""The label model's class-conditional densities over the measurements that it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .style import FAINT, colour, short


def densities(axes: Axes, measurement: Mapping[str, Any]) -> Axes:
    """Draw p(measurement | class) over histograms of the measured cells by given label.

    Args:
        axes: Where to draw.
        measurement: One entry of `Explanations.densities`: feature, unit, grid, density by class, edges, counts by class.

    Returns:
        The axes. Histograms have area 1, as densities have.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> one = {"feature": "alpha", "unit": "deg", "grid": [0, 1], "density": {"ill": [1, 1]}, "edges": [0, 1],
        ...     "counts": {"ill": [4]}}
        >>> densities(plt.subplots()[1], one).get_xlabel()
        'alpha, deg'
    """
    edges = np.asarray(measurement["edges"], dtype=float)
    for k, (name, density) in enumerate(measurement["density"].items()):
        counts = np.asarray(measurement["counts"].get(name, []), dtype=float)
        if counts.sum() > 0:
            height = counts / (counts.sum() * np.diff(edges))
            axes.stairs(height, edges, color=colour(k), alpha=0.25, fill=True)
        axes.plot(measurement["grid"], density, color=colour(k), linewidth=1.8, label=short(name))
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    unit = measurement["unit"]
    axes.set_xlabel(f"{measurement['feature']}, {unit}" if unit else str(measurement["feature"]))
    axes.legend(fontsize=8)
    axes.tick_params(axis="x", color=FAINT)
    return axes
