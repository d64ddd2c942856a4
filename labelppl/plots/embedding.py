"""The map of images as the student sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .style import INK


def embedding(
    axes: Axes, places: np.ndarray[Any, Any], values: np.ndarray[Any, Any], name: str
) -> Axes:
    """Draw images as dots, coloured by a probability.

    Args:
        axes: Where to draw.
        places: Coordinates `(cases, 2)`, of t-SNE for instance.
        values: Probabilities `(cases,)`.
        name: What they are the probability of.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> embedding(plt.subplots()[1], np.zeros((2, 2)), np.array([.1, .9]), "p").get_xticks().tolist()
        []
    """
    dots = axes.scatter(
        places[:, 0], places[:, 1], c=values, cmap="cividis", vmin=0, vmax=1, s=18, linewidth=0
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.figure.colorbar(dots, ax=axes, label=name, shrink=0.8)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_facecolor("none")
    axes.title.set_color(INK)
    return axes
