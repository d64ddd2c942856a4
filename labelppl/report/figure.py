"""Figures as SVG inside the page.

Text is drawn as outlines, so the picture is the same on every machine, and nothing is fetched. No
text is read as mathematics: a class may be called `$5`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    """Draw with the report's style; nothing global is changed afterwards."""
    with mpl.rc_context(_STYLE):
        yield


def colour(index: int) -> str:
    """Return the colour of class number `index`."""
    return COLOURS[index % len(COLOURS)]


def to_svg(figure: Figure, description: str) -> Markup:
    """Return the figure as an SVG element that screen readers call by its description."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    label = escape(description)
    return Markup(body.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))


def unit_axis(axes: Axes, label: str) -> None:
    """Make the horizontal axis a probability from 0 to 1."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.set_xlabel(label)
