"""What was measured of one case, as a reader of the table would write it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..features import Angle, Category, Column, Feature, Ordinal, Scalar, Vector


def cell_text(
    feature: Feature, column: Column, row: int, classes: Sequence[str], rater: int | None = None
) -> str:
    """The cell of ``row`` in the column's unit, such as ``49°``; for a vote what that rater said; empty where nothing is.

    Args:
        feature: What the column holds.
        column: The feature of all cases.
        row: The case.
        classes: Names of the classes, for votes.
        rater: The code of a rater, where a feature holds what several said; None for all of them.
    """
    if column.ballots is not None:
        return _votes(column, row, classes, rater)
    if isinstance(feature, Vector):
        parts = [
            f"{name} {_number(part, float(column.values[row, i]))}"
            for i, (name, part) in enumerate(feature.components.items())
            if bool(column.observed[row, i])
        ]
        return ", ".join(parts)
    if isinstance(feature, Scalar) and bool(column.censored[row]):
        ends = ("above", column.low, feature.low), ("below", column.high, feature.high)
        return " and ".join(
            f"{side} {_number(feature, float(bound[row]))}"
            for side, bound, edge in ends
            if bound is not None and _tells(feature, float(bound[row]), edge)
        )
    if not bool(column.cases_observed[row]):
        return ""
    if isinstance(feature, Scalar):
        return _number(feature, float(column.values[row]))
    if isinstance(feature, Category | Ordinal):
        return str(feature.names[int(column.values[row])])
    return "measured"


def _tells(feature: Scalar, bound: float, edge: float | None) -> bool:
    """Whether a bound of a cell is more than the ``edge`` of what the feature can be at all."""
    shown = float(feature.from_model(np.array([bound]))[0])
    return bool(np.isfinite(bound)) and (edge is None or not np.isclose(shown, edge))


def _number(feature: Scalar, value: float) -> str:
    shown = float(feature.from_model(np.array([value]))[0])
    unit = feature.unit_name
    if isinstance(feature, Angle):
        return f"{shown:.4g}°" if feature.unit == "deg" else f"{shown:.4g} rad"
    return f"{shown:.4g} {unit}".strip()


def _votes(column: Column, row: int, classes: Sequence[str], rater: int | None) -> str:
    assert column.ballots is not None
    ballots = column.ballots
    mine = slice(int(ballots.start[row]), int(ballots.start[row + 1]))
    said = [
        (int(by), value)
        for by, value in zip(ballots.rater[mine], ballots.said[mine], strict=True)
        if rater is None or int(by) == rater
    ]
    if not said or said[0][1].dim():
        return "" if not said else f"{len(said)} statements"
    return ", ".join(str(classes[int(value)]) for _, value in said)
