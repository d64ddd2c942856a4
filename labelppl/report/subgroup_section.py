"""The metrics of subgroups, as a table per column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..metrics.listed import metric_of
from ..metrics.metrics import Metrics

SUBGROUP_METRICS = ("accuracy", "auc", "smece", "sensitivity", "specificity")
"""What a reader compares between subgroups; the others are in metrics.json."""


@dataclass(frozen=True, eq=False)
class SubgroupSection:
    """Heads of the columns, and per table column its name and rows (value, cases, cells)."""

    heads: tuple[str, ...]
    tables: tuple[tuple[str, tuple[tuple[str, int, tuple[dict[str, Any], ...]], ...]], ...]


def subgroup_section(metrics: Metrics | None) -> SubgroupSection | None:
    """Return the section, or None where no subgroup was measured."""
    if metrics is None:
        return None
    places: dict[str, list[str]] = {}
    for key in metrics.values:
        if key.startswith("by/") and key.endswith("/n"):
            column, value = key.removeprefix("by/").removesuffix("/n").split("/", 1)
            places.setdefault(column, []).append(value)
    if not places:
        return None
    shown = [
        key
        for key in SUBGROUP_METRICS
        if any(f"by/{c}/{v}/{key}" in metrics.values for c, vs in places.items() for v in vs)
    ]
    names = [metric.name for key in shown if (metric := metric_of(key)) is not None]
    tables = tuple(
        (column, tuple(_row(metrics, column, value, shown) for value in values))
        for column, values in places.items()
    )
    return SubgroupSection(tuple(names), tables)


def _row(
    metrics: Metrics, column: str, value: str, shown: list[str]
) -> tuple[str, int, tuple[dict[str, Any], ...]]:
    at = f"by/{column}/{value}/"
    cells = tuple(
        {"value": metrics.values.get(at + key), "interval": metrics.intervals.get(at + key)}
        for key in shown
    )
    return value, int(metrics.values[f"{at}n"] or 0), cells
