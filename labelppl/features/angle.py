"""`Angle`: a direction in degrees or radians; the model always sees radians.

Three kinds that must not be confused (docs/methods.md §2; Mardia & Jupp, *Directional Statistics*, 2000):

circular    theta and theta + 2 pi are the same direction.
axial       theta and theta + pi are the same axis; the model sees the doubled angle 2 theta.
halfcircle  an angle between two lines with distinct ends, in [0, pi]; nothing wraps, nothing is doubled.

The kind is never guessed. Declaring both ``low`` and ``high`` less than a turn apart says that values stay inside one
arc, where a circular density needs no further convention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..errors import InputError
from .base import Scalar
from .faults import MOST_TOLD
from .rows import Rows
from .symmetries import check_symmetries


@dataclass(frozen=True)
class Angle(Scalar):
    """An angle. The label model sees radians, whatever the unit of the column.

    Args:
        unit: ``"deg"`` or ``"rad"``, the unit of the column and of the bounds.
        low: The smallest value that is accepted.
        high: The largest value that is accepted.
        kind: ``"circular"`` for a full turn; ``"axial"`` for a direction that is the same after half a turn, which the
            model sees doubled; ``"halfcircle"`` for an angle between two lines, 0 to 180 degrees. It may be left out
            where both bounds are given.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For another unit or kind, or where neither kind nor both bounds say which angle it is.

    Examples:
        >>> Angle("deg", low=20, high=90).describe()
        '20 to 90 deg'
    """

    unit: Literal["deg", "rad"]
    low: float | None = None
    high: float | None = None
    kind: Literal["circular", "axial", "halfcircle"] | None = None
    symmetries: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_symmetries(type(self).__name__, self.symmetries)
        if self.unit not in ("deg", "rad"):
            raise InputError(f"Angle: got unit {self.unit!r}, expected 'deg' or 'rad'")
        if self.kind not in (None, "circular", "axial", "halfcircle"):
            raise InputError(
                f"Angle: got kind {self.kind!r}, expected 'circular', 'axial' or 'halfcircle'"
            )
        if self.kind is None and (self.low is None or self.high is None):
            raise InputError(
                "Angle: expected kind='circular', 'axial' or 'halfcircle', or both low and high; "
                "whether an angle wraps is not guessed"
            )
        turn = 360.0 if self.unit == "deg" else 2 * math.pi
        default_low, default_high = (0.0, turn / 2) if self.kind == "halfcircle" else (-turn, turn)
        low = default_low if self.low is None else float(self.low)
        high = default_high if self.high is None else float(self.high)
        if not low < high:
            raise InputError(f"Angle: low {low:g} must be below high {high:g}; swap them")
        if self.kind is None and high - low > turn:
            raise InputError(
                f"Angle: {low:g} to {high:g} {self.unit} is more than a turn; declare its kind"
            )
        if self.kind == "halfcircle" and (low < 0 or high > turn / 2):
            raise InputError(
                f"Angle: a half-circle angle lies in 0 to {turn / 2:g} {self.unit}, got {low:g} to {high:g}"
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def unit_name(self) -> str:  # type: ignore[override]
        """The unit as printed in messages."""
        return self.unit

    def to_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        radians = np.deg2rad(values) if self.unit == "deg" else values
        if self.kind == "axial":
            return np.angle(np.exp(2j * radians))
        return radians

    def from_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        radians = values / 2 if self.kind == "axial" else values
        return np.rad2deg(radians) if self.unit == "deg" else radians

    def ends_to_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Ends of an interval, which keep their distance: the end of a turn does not wrap to its beginning."""
        radians = np.deg2rad(values) if self.unit == "deg" else values
        return 2 * radians if self.kind == "axial" else radians

    def _refuse_ends(self, rows: Rows, name: str, censored: np.ndarray[Any, Any]) -> None:
        """Where the circle closes, '<' and '>' are an arc only between bounds at most a turn apart."""
        turn = (360.0 if self.unit == "deg" else 2 * math.pi) / (2 if self.kind == "axial" else 1)
        assert self.low is not None
        assert self.high is not None
        if self.kind not in ("circular", "axial") or self.high - self.low <= turn * (1 + 1e-12):
            return
        first = np.flatnonzero(censored)
        cells = rows.cells(name, name)
        rows.refuse_all(
            name,
            first,
            [cells[int(row)].as_py() for row in first[:MOST_TOLD]],
            f"a number {self.unit}: '<' and '>' need bounds at most {turn:g} {self.unit} apart on a {self.kind} angle",
            f"declare them, e.g. low=0, high={turn:g}, or leave the cell empty",
        )

    def mend(self, value: float) -> str:
        if self.unit == "deg" and self.inside(np.rad2deg(np.array([value])))[0]:
            return "it looks like radians: declare Angle('rad', …) or convert the column"
        if self.unit == "rad" and self.inside(np.deg2rad(np.array([value])))[0]:
            return "it looks like degrees: declare Angle('deg', …) or convert the column"
        return super().mend(value)
