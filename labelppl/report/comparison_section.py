"""The table of `labelppl compare`, where the folder is one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..comparison import Comparison
from ..comparison.record import TABLE_METRICS
from ..metrics.listed import metric_of


class ComparisonSection(NamedTuple):
    """Heads, rows (method, cells with mean, interval and the difference to hard labels in words), notes."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[dict[str, Any], ...]], ...]
    notes: tuple[str, ...]


def comparison_section(comparison: Comparison | None) -> ComparisonSection | None:
    """Return the table of means over repeats."""
    if comparison is None:
        return None
    summary = comparison.summary
    known = set(summary["metric"])
    keys = [key for key in comparison.settings.get("columns") or TABLE_METRICS if key in known]
    by_key = {(row["method"], row["metric"]): row for row in summary.to_dict("records")}
    rows = tuple(
        (str(method), tuple(_cell(by_key.get((method, key))) for key in keys))
        for method in dict.fromkeys(summary["method"])
    )
    heads = tuple(key if (metric := metric_of(key)) is None else metric.name for key in keys)
    repeats = comparison.settings.get("repeats", "several")
    return ComparisonSection(
        f"Means over {repeats} repeats on test cases with 95 % intervals; below them the paired difference to hard labels.",
        heads,
        rows,
        tuple(comparison.notes),
    )


def _cell(row: Mapping[Any, Any] | None) -> dict[str, Any]:
    if row is None or row["mean"] is None or np.isnan(row["mean"]):
        return {"mean": None, "interval": None, "difference": None}
    difference = None
    ends = [row.get(name) for name in ("difference", "difference_lo", "difference_hi")]
    if all(isinstance(end, float) and np.isfinite(end) for end in ends):
        middle, low, high = (float(end) for end in ends if end is not None)
        difference = f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"
    interval = (row["lo"], row["hi"]) if np.isfinite(row["lo"]) and np.isfinite(row["hi"]) else None
    return {"mean": float(row["mean"]), "interval": interval, "difference": difference}
