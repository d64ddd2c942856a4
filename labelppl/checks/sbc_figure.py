"""The picture of a calibration check: how far the ranks' distribution functions stray, and the labels' residuals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..runs import write_atomically
from .sbc_bands import band, counts_below

if TYPE_CHECKING:
    from .sbc_record import Sbc

PANEL_COLUMNS = 4
INSIDE, OUTSIDE, SHADE = "#1f5a8a", "#c0392b", "#dbe6ef"


def draw(checked: Sbc, path: Path) -> None:
    """Write the picture of ``checked`` to ``path``, in the format of its suffix."""
    figure = figure_of(checked)
    verdict = "passed" if checked.passed else "FAILED"
    figure.suptitle(
        f"{checked.model}, {checked.engine}: calibration {verdict} ({len(checked.ranks)} simulations, "
        f"{len(checked.refused)} refused)\na right model leaves a shaded band, or misses zero below, in 1 % of checks",
        color=INSIDE if checked.passed else OUTSIDE,
        fontsize=11,
    )
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=130))


def figure_of(checked: Sbc, width: float = 10.0) -> Figure:
    """The picture of a calibration check without a title; width in inches."""
    quantities = len(checked.quantities)
    rows = max(1, -(-quantities // PANEL_COLUMNS))
    figure = Figure(
        figsize=(width, 1.9 * rows + 1.1 + 0.32 * len(checked.tests)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    heights = [*([1.9] * rows), 0.5 + 0.32 * len(checked.tests)]
    grid = figure.add_gridspec(rows + 1, PANEL_COLUMNS, height_ratios=heights)
    told = checked.to_frame()
    if quantities:
        _ranks(figure, grid, checked, told)
        _labels(figure.add_subplot(grid[rows, :]), checked, told)
    return figure


def _ranks(figure: Any, grid: Any, checked: Sbc, told: Any) -> None:
    n = len(checked.ranks)
    counts, inside = counts_below(checked.uniform), band(n, 1 - checked.limit)
    expected = n * inside.points
    for i, name in enumerate(checked.quantities):
        axes = figure.add_subplot(grid[i // PANEL_COLUMNS, i % PANEL_COLUMNS])
        axes.fill_between(
            inside.points,
            (inside.low - expected) / n,
            (inside.high - expected) / n,
            color=SHADE,
            lw=0,
        )
        axes.axhline(0, color="0.6", lw=0.6)
        good = bool(told["passed"].iloc[i])
        axes.plot(
            inside.points, (counts[i] - expected) / n, color=INSIDE if good else OUTSIDE, lw=1.4
        )
        axes.set_title(name, fontsize=8.5, color="black" if good else OUTSIDE)
        axes.tick_params(labelsize=7)
        axes.set_xlim(0, 1)
        if i % PANEL_COLUMNS == 0:
            axes.set_ylabel("ECDF − uniform", fontsize=7.5)
        if i + PANEL_COLUMNS >= len(checked.quantities):
            axes.set_xlabel("rank of the truth", fontsize=7.5)


def _labels(axes: Any, checked: Sbc, told: Any) -> None:
    n = len(checked.residuals)
    at = np.arange(len(checked.tests))[::-1]
    mean, error = checked.residuals.mean(0), checked.residuals.std(0, ddof=1) / np.sqrt(n)
    passed = told["passed"].to_numpy()[len(checked.quantities) :]
    for y, m, e, good in zip(at, mean, error, passed, strict=True):
        axes.errorbar(m, y, xerr=1.96 * e, fmt="o", ms=4, color=INSIDE if good else OUTSIDE)
    axes.axvline(0, color="0.6", lw=0.6)
    axes.set_yticks(
        at, [name.replace("fitted (loo)", "left out") for name in checked.tests], fontsize=8
    )
    axes.set_ylim(-0.6, len(checked.tests) - 0.4)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("soft labels: mean residual with 95 % interval, 0 if calibrated", fontsize=7.5)
