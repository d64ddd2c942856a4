"""Figures as SVG inside the page.

Text is svg_of as outlines, so the picture is the same on every machine, and nothing is fetched.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plots.style import house_style


def svg_of(size: tuple[float, float], description: str, draw: Callable[[Axes], Any]) -> Markup:
    """Return one pair of axes, svg_of by `draw`, as an SVG element; size in inches."""
    with house_style():
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        return to_svg(figure, description)


def to_svg(figure: Figure, description: str) -> Markup:
    """Return the figure as an SVG element that screen readers call by its description."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    label = escape(description)
    return Markup(body.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))
