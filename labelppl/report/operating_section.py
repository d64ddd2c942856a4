"""Where the student calls a case positive, what follows, and the curves behind the choice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from markupsafe import Markup

from ..metrics.metrics import Metrics
from ..plots.evaluation import TITLES, evaluation_curve
from .svg import svg_of


@dataclass(frozen=True, eq=False)
class OperatingSection:
    """The sentence on the operating point, and the pictures of the curves with what they show."""

    sentence: str | None
    pictures: tuple[Markup, ...]
    caption: str


def operating_section(
    metrics: Metrics | None, curves: pd.DataFrame | None
) -> OperatingSection | None:
    """Return the section, or None where neither an operating point nor a curve is known."""
    point = None if metrics is None else metrics.settings.get("operating_point")
    sentence = None
    if (
        metrics is not None
        and isinstance(point, dict)
        and metrics.values.get("sensitivity") is not None
    ):
        sentence = _sentence(point)
    known = None if curves is None else _known(curves, point)
    if sentence is None and known is None:
        return None
    if known is None:
        return OperatingSection(sentence, (), "")
    at = None
    if sentence is not None and metrics is not None:
        hit, spared = metrics.values.get("sensitivity"), metrics.values.get("specificity")
        at = None if hit is None or spared is None else (1 - spared, hit)
    of = next((name for name in known["class"] if name), "")
    caption = (
        f"Curves for {of} against the rest; shaded: 95 % bands by resampling patients, at each place "
        "of its own. The dashed line of the decision curve treats everybody."
        if of
        else "Shaded: 95 % band by resampling patients, at each place of its own."
    )
    return OperatingSection(sentence, _pictures(known, at), caption)


def _sentence(point: dict[str, Any]) -> str:
    rule, _, number = str(point["rule"]).partition("=")
    chosen = {
        "sensitivity": f"chosen on validation cases for a sensitivity of {number}",
        "costs": f"from the cost of a false alarm to that of a miss, {number}",
        "threshold": "as stated",
    }[rule]
    prevalence = point.get("prevalence")
    where = (
        "Predictive values are those of these cases, whose mix of classes need not be a clinic's."
        if prevalence is None
        else f"Costs and predictive values hold where {100 * prevalence:.3g} % are {point['positive']}."
    )
    return (
        f"A case is called {point['positive']} from a probability of {point['threshold']:.3f} on "
        f"({chosen}). {where}"
    )


def _known(curves: pd.DataFrame, point: Any) -> pd.DataFrame | None:
    """The curves of one class: the positive one, or of more than two the first."""
    names = [name for name in dict.fromkeys(curves["class"]) if name]
    positive = point["positive"] if isinstance(point, dict) and point["positive"] in names else None
    chosen = positive or (names[0] if len(names) == 1 else None)
    kept = curves[(curves["class"] == chosen) | (curves["class"] == "")]
    return None if kept.empty else kept


def _pictures(curves: pd.DataFrame, at: tuple[float, float] | None) -> tuple[Markup, ...]:
    pictures = []
    for name in TITLES:
        if (curves["curve"] == name).any():
            point = at if name == "roc" else None
            pictures.append(
                svg_of(
                    (4.6, 3.3),
                    f"{TITLES[name]}, with its 95 % band",
                    partial(evaluation_curve, curves=curves, name=name, at=point),
                )
            )
    return tuple(pictures)
