"""What `labelppl check` saw, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ..checks.record import DependentFeatures
from .style import BAND, COLOURS, INK, MAIN, short


def pair_dependence(axes: Axes, pairs: Sequence[DependentFeatures]) -> Axes:
    """Draw how alike two measurements are within a class, in the table and as the fitted model expects.

    Args:
        axes: Where to draw.
        pairs: From `labelppl check`, at least one.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> axes = pair_dependence(plt.subplots()[1], [DependentFeatures("a", "b", 0.4, -0.2, 0.2, 0.01)])
        >>> axes.get_xlabel()
        'rank correlation within a class'
    """
    places = range(len(pairs))[::-1]
    for place, pair in zip(places, pairs, strict=True):
        axes.plot([pair.low, pair.high], [place, place], color=BAND, lw=9, solid_capstyle="butt")
        axes.plot(pair.r, place, "o", ms=6, color=MAIN if pair.as_expected else COLOURS[1])
    axes.axvline(0, color=INK, lw=0.6, ls=":")
    axes.set_xlim(-1.03, 1.03)
    axes.set_ylim(-0.6, len(pairs) - 0.4)
    axes.set_yticks(list(places), [f"{short(p.first, 18)}, {short(p.second, 18)}" for p in pairs])
    axes.set_xlabel("rank correlation within a class")
    return axes
