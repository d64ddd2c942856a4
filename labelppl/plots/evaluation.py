"""How good a student is: reliability, ROC and the other curves, agreement with the soft labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..metrics.reliability import Reliability
from .style import BAND, FAINT, MAIN, colour, unit_axis

AXES = {
    "roc": ("share of negative cases called", "sensitivity"),
    "precision_recall": ("sensitivity (recall)", "precision"),
    "net_benefit": ("threshold", "net benefit per case"),
    "risk_coverage": ("share of cases answered", "share of errors among them"),
}
TITLES = {
    "roc": "ROC",
    "precision_recall": "Precision and recall",
    "net_benefit": "Decision curve",
    "risk_coverage": "Errors against coverage",
}


def reliability_curve(axes: Axes, curve: Reliability, positive: str) -> Axes:
    """Draw the observed share against the forecast, with its band under calibration.

    Args:
        axes: Where to draw.
        curve: What `labelppl.metrics.reliability` gives.
        positive: The name of the class whose probability is forecast, where there are two.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> from labelppl.metrics.reliability import reliability
        >>> p = np.linspace(.05, .95, 40)
        >>> curve = reliability(np.column_stack([1 - p, p]), (p > .5).astype(int), seed=0)
        >>> reliability_curve(plt.subplots()[1], curve, "ill").get_ylabel()
        'share that is ill'
    """
    percent = f"{100 * curve.level:.0f} %"
    axes.fill_between(
        curve.at, curve.smooth_lo, curve.smooth_hi, color=BAND, linewidth=0, label=f"{percent} band"
    )
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.vlines(curve.forecast, curve.lo, curve.hi, color=FAINT, linewidth=2.4)
    axes.plot(curve.at, curve.smooth, color=MAIN, linewidth=1.8, label="student, smoothed")
    outside = (curve.frequency < curve.lo) | (curve.frequency > curve.hi)
    for where, face in ((~outside, MAIN), (outside, "white")):
        axes.scatter(
            curve.forecast[where],
            curve.frequency[where],
            s=18 + 90 * curve.count[where] / curve.count.max(),
            facecolor=face,
            edgecolor=MAIN,
            linewidth=1.3,
            zorder=3,
        )
    axes.plot([], [], "o", color=MAIN, label="bins")
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    binary = curve.quantity == "positive"
    axes.set_ylabel(f"share that is {positive}" if binary else "share predicted correctly")
    return axes


def evaluation_curve(
    axes: Axes, curves: pd.DataFrame, name: str, at: tuple[float, float] | None = None
) -> Axes:
    """Draw one curve of `curves.csv` with its 95 % band.

    Args:
        axes: Where to draw.
        curves: Rows of one class: curve, x, y, lo, hi.
        name: `roc`, `precision_recall`, `net_benefit` or `risk_coverage`.
        at: The operating point on a ROC curve.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> rows = pd.DataFrame({"curve": "roc", "x": [0, .2, 1], "y": [0, .8, 1], "lo": [0, .7, 1], "hi": [0, .9, 1]})
        >>> evaluation_curve(plt.subplots()[1], rows, "roc").get_ylabel()
        'sensitivity'
    """
    rows = curves[curves["curve"] == name].dropna(subset=["y"])
    x, y = rows["x"].to_numpy(dtype=float), rows["y"].to_numpy(dtype=float)
    banded = rows.dropna(subset=["lo"])
    if len(banded):
        ends = [banded[key].to_numpy(dtype=float) for key in ("x", "lo", "hi")]
        axes.fill_between(*ends, color=BAND, linewidth=0)  # type: ignore[arg-type]
    axes.plot(x, y, color=MAIN, linewidth=1.8)
    if name == "roc":
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)))
        if at is not None:
            axes.plot(*at, "o", color=MAIN, markerfacecolor="white", markersize=8)
    if name == "net_benefit":
        everyone = curves[curves["curve"] == "treat_all"]
        axes.plot(everyone["x"], everyone["y"], color=FAINT, linewidth=1, linestyle=(0, (3, 2)))
        axes.axhline(0, color=FAINT, linewidth=0.8)
        top = float(np.nanmax([*y, 0.05]))
        axes.set_ylim(-0.35 * top, 1.15 * top)
    else:
        axes.set_ylim(-0.02, 1.02 if name != "risk_coverage" else max(0.1, 1.3 * float(y.max())))
    axes.set_title(TITLES[name], fontsize=9, loc="left")
    unit_axis(axes, AXES[name][0])
    axes.set_ylabel(AXES[name][1])
    return axes


def student_against_labels(
    axes: Axes, believed: np.ndarray[Any, Any], student: np.ndarray[Any, Any], codes: np.ndarray[Any, Any],
    classes: tuple[str, ...],
) -> Axes:  # fmt: skip
    """Draw the student's probabilities against the label model's, one dot per case.

    Args:
        axes: Where to draw.
        believed: p(Y|Z), (cases, classes).
        student: p(Y|X), (cases, classes).
        codes: The given labels (cases,), -1 for none.
        classes: Names. Of more than two, the class is drawn that the label model finds most probable.

    Returns:
        The axes.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> p = np.array([[.2, .8], [.9, .1]])
        >>> student_against_labels(plt.subplots()[1], p, p, np.array([1, 0]), ("well", "ill")).get_ylabel()
        "student's probability of ill"
    """
    binary = len(classes) == 2
    k = np.ones(len(believed), dtype=int) if binary else believed.argmax(axis=1)
    rows = np.arange(len(believed))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    for code in sorted({int(code) for code in codes}):
        mine = codes == code
        name = "unlabelled" if code < 0 else f"labelled {classes[code]}"
        axes.scatter(
            believed[rows, k][mine], student[rows, k][mine], s=16, alpha=0.75, linewidth=0,
            color=FAINT if code < 0 else colour(code), label=name,
        )  # fmt: skip
    of = classes[1] if binary else "the likeliest class"
    unit_axis(axes, f"label model's probability of {of}")
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.set_ylabel(f"student's probability of {of}")
    if len(classes) <= 8:
        axes.figure.legend(loc="outside upper left", fontsize=8, ncols=3)
    return axes
