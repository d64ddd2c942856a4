"""Colours and settings of all pictures. No text is read as mathematics: a class may be called `$5`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

INK = "#1f2933"
FAINT = "#9aa5b1"
BAND = "#dbe4ee"
MAIN = "#0b5394"
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f6d00",
    "#555555",
    "#332288",
    "#117733",
    "#882255",
    "#999933",
)
"""One per class, the first told apart with every common colour vision (Okabe & Ito); then repeated."""

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "labelppl",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the style of the report; nothing global is changed afterwards.

    Yields:
        Nothing.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> before = dict(plt.rcParams)
        >>> with house_style():
        ...     figure, axes = plt.subplots()
        >>> dict(plt.rcParams) == before
        True
    """
    with mpl.rc_context(_STYLE):
        yield


def colour(index: int) -> str:
    """Return the colour of class number `index`."""
    return COLOURS[index % len(COLOURS)]


def unit_axis(axes: Axes, label: str) -> None:
    """Make the horizontal axis a probability from 0 to 1."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.set_xlabel(label)


def short(name: str, length: int = 22) -> str:
    """Keep the end of a long name: ids differ there."""
    return name if len(name) <= length else "…" + name[-(length - 1) :]
