"""Plain numbers: `Real`, `Positive`, `Ratio` and `Count`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..errors import InputError
from .base import Column, Scalar
from .faults import MOST_TOLD
from .rows import Rows
from .symmetries import check_symmetries


def check_bounds(scalar: Scalar) -> None:
    """InputError if a declared bound is no number, or the bounds leave no room."""
    kind = type(scalar).__name__
    for name in ("low", "high"):
        bound = getattr(scalar, name)
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float)):
            raise InputError(f"{kind}: got {name}={bound!r}, expected a number, e.g. {name}=0")
        if bound is not None and math.isnan(bound):
            raise InputError(f"{kind}: got {name}=nan, expected a number; leave it out if none")
    if scalar.low is not None and scalar.high is not None and not scalar.low < scalar.high:
        raise InputError(
            f"{kind}: low {scalar.low:g} must be below high {scalar.high:g}; swap them"
        )


@dataclass(frozen=True)
class Real(Scalar):
    """A real number.

    Args:
        unit: The unit, for messages and reports.
        low: The smallest value that is accepted, in the column's unit; None for no bound.
        high: The largest value that is accepted.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For a bound that is no number, or bounds without room between them.

    Examples:
        >>> Real("mm", low=0).describe()
        'a number mm at least 0'
    """

    unit: str = ""
    low: float | None = None
    high: float | None = None
    symmetries: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_symmetries(type(self).__name__, self.symmetries)
        check_bounds(self)

    @property
    def unit_name(self) -> str:  # type: ignore[override]
        """The unit as printed in messages."""
        return self.unit


@dataclass(frozen=True)
class Positive(Scalar):
    """A number above zero, such as a length or a concentration; zero itself is refused.

    Args:
        unit: The unit, for messages and reports.
        high: The bound from above, itself excluded; None for none.
        low: The bound from below, itself excluded.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For a bound that is no number, or bounds without room between them.

    Examples:
        >>> Positive("mm").describe()
        'a number mm above 0'
    """

    unit: str = ""
    high: float | None = None
    low: float | None = 0.0
    closed = False
    symmetries: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_symmetries(type(self).__name__, self.symmetries)
        check_bounds(self)

    @property
    def unit_name(self) -> str:  # type: ignore[override]
        """The unit as printed in messages."""
        return self.unit

    def mend(self, value: float) -> str:
        if value == 0:
            return "write '<bound' with the smallest measurable value if it was below detection"
        return super().mend(value)


@dataclass(frozen=True)
class Ratio(Scalar):
    """A fraction strictly between 0 and 1, or with ``unit="%"`` between 0 and 100; the model sees 0 to 1.

    An exact 0 or 1 has density zero or infinity under every density on (0, 1), so it is refused unless
    ``squeeze=n`` says how to read it: every value c becomes (c (n - 1) + 1/2) / n (Smithson & Verkuilen 2006).

    Args:
        unit: ``""`` for 0 to 1, ``"%"`` for 0 to 100.
        squeeze: The number of cases n of the rule above; None refuses an exact 0 or 1.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For another unit, or a squeeze below 2.

    Examples:
        >>> Ratio("%").to_model(np.array([48.0]))
        array([0.48])
    """

    unit: Literal["", "%"] = ""
    squeeze: int | None = None
    symmetries: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_symmetries(type(self).__name__, self.symmetries)
        if self.unit not in ("", "%"):
            raise InputError(
                f"Ratio: got unit {self.unit!r}, expected '' (0 to 1) or '%' (0 to 100)"
            )
        if self.squeeze is not None and self.squeeze < 2:
            raise InputError(
                f"Ratio: got squeeze={self.squeeze}, expected a sample size of 2 or more"
            )

    @property
    def low(self) -> float:  # type: ignore[override]
        """0, excluded unless values are squeezed."""
        return 0.0

    @property
    def high(self) -> float:  # type: ignore[override]
        """1 or 100 %, excluded unless values are squeezed."""
        return 100.0 if self.unit else 1.0

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether exact 0 and 1 are accepted."""
        return self.squeeze is not None

    @property
    def unit_name(self) -> str:  # type: ignore[override]
        """The unit as printed in messages."""
        return self.unit

    def to_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        values = values / self.high
        if self.squeeze is None:
            return values
        return (values * (self.squeeze - 1) + 0.5) / self.squeeze

    def ends_to_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Ends of an interval: squeezed like values, but the ends of the range stay where all mass ends."""
        at_end = (values <= self.low) | (values >= self.high)
        return np.where(at_end, values / self.high, self.to_model(values))

    def from_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.squeeze is not None:
            values = (values * self.squeeze - 0.5) / (self.squeeze - 1)
        return values * self.high

    def mend(self, value: float) -> str:
        if value in (self.low, self.high):
            return "declare Ratio(squeeze=n) to accept exact 0 and 1, or write '<bound' or '>bound'"
        if not self.unit and 1 < value <= 100:
            return "declare Ratio('%') if the column is in per cent"
        return "a ratio that may leave (0, 1) is a Real or a Positive"


@dataclass(frozen=True)
class Count(Scalar):
    """A whole number, zero or more, such as lesions seen. A missing count is masked, not summed over.

    Args:
        high: The largest count that is accepted; None for no bound.
        low: The smallest count that is accepted.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For a bound that is no number, or bounds without room between them.

    Examples:
        >>> Count(high=3).describe()
        'a whole number from 0 to 3'
    """

    high: float | None = None
    low: float | None = 0.0
    symmetries: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_symmetries(type(self).__name__, self.symmetries)
        check_bounds(self)

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        column = super().read(rows, name, classes)
        values = column.values.numpy()
        censored, measured = column.censored.numpy(), column.observed.numpy()
        broken = np.flatnonzero(censored | measured & (values != values.round()))
        if len(broken):
            cells = rows.cells(name, name)
            got = [
                cells[int(row)].as_py() if censored[row] else float(values[row])
                for row in broken[:MOST_TOLD]
            ]

            def mend(row: int) -> str:
                if censored[row]:
                    return "censored counts are not supported; leave the cell empty"
                return "declare Real or Positive"

            rows.refuse_all(name, broken, got, "a whole number", mend)
        return Column(column.values.round(), column.observed)

    def describe(self) -> str:
        return (
            "a whole number of 0 or more"
            if self.high is None
            else f"a whole number from 0 to {self.high:g}"
        )
