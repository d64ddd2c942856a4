"""What a declared feature is: a column (or several) of the cases table, its unit, and its support.

A feature type reads its own columns once, at the door, and hands the label model tensors in the model's unit
(radians, fractions, integer codes). What is missing is marked, never guessed; what is censored (">60") is kept as an
interval; what is wrong is refused with the column, the row, what was got, what was expected and the mend.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arrays import Floats
from .ballots import Ballots
from .faults import MOST_TOLD
from .rows import Rows

#: Below or above a bound; the bound may have decimals after a comma.
CENSORED = re.compile(r"(?P<sign>[<>≤≥])=?\s*(?P<bound>.+)", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """One feature of n cases, as the label model sees it.

    Args:
        values: (cases, ...) in the model's unit; where not observed, a harmless value inside the support.
        observed: (cases,), or (cases, components) for a vector; True where the value was measured.
        low: (cases,) lower bounds of censored cells, NaN elsewhere; None if nothing is censored.
        high: (cases,) upper bounds, likewise.
        names: The raters, where several said something.
        ballots: What they said, where that is kept in long form; values (cases,) are then how many ballots each case has, and
            every case is observed, since nobody's vote is needed.

    Examples:
        >>> column = Column(torch.tensor([1.5, 0.0]), torch.tensor([True, False]))
        >>> column.take(torch.tensor([0])).values.tolist()
        [1.5]
    """

    values: Tensor
    observed: Tensor
    low: Tensor | None = None
    high: Tensor | None = None
    names: tuple[str, ...] = ()
    ballots: Ballots | None = None

    @classmethod
    def of_ballots(cls, ballots: Ballots, names: Sequence[str] = ()) -> Column:
        """The column of a feature that raters answer."""
        observed = torch.ones(len(ballots), dtype=torch.bool)
        return cls(ballots.counts, observed, names=tuple(names), ballots=ballots)

    @property
    def value(self) -> Tensor | Ballots:
        """What the feature's site observes."""
        return self.values if self.ballots is None else self.ballots

    @property
    def cells(self) -> int:
        """How many numbers a case has, on average and rounded up."""
        if self.ballots is None:
            return self.values[:1].numel()
        return 1 + self.ballots.said.numel() // max(1, len(self.values))

    @cached_property
    def cases_observed(self) -> Tensor:
        """(cases,) True where every component was measured."""
        return self.observed if self.observed.dim() == 1 else self.observed.all(-1)

    @cached_property
    def censored(self) -> Tensor:
        """(cases,) True where only an interval is known."""
        if self.low is None:
            return torch.zeros(len(self.values), dtype=torch.bool)
        return ~torch.isnan(self.low)

    @cached_property
    def complete(self) -> bool:
        """Whether every case was measured, or is known to an interval."""
        return bool((self.cases_observed | self.censored).all())

    @cached_property
    def partial(self) -> bool:
        """Whether some case has some of its components measured and others not."""
        return self.observed.dim() == 2 and bool(
            (self.observed.any(-1) & ~self.observed.all(-1)).any()
        )

    @cached_property
    def patterns(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """For each pattern of measured components: its cases (rows,) and its measured components."""
        patterns, which = torch.unique(self.observed, dim=0, return_inverse=True)
        return tuple(
            ((which == at).nonzero()[:, 0], pattern.nonzero()[:, 0])
            for at, pattern in enumerate(patterns)
        )

    def take(self, index: Tensor) -> Column:
        """The rows ``index`` (rows,), in that order."""
        return Column(
            self.values[index],
            self.observed[index],
            None if self.low is None else self.low[index],
            None if self.high is None else self.high[index],
            self.names,
            None if self.ballots is None else self.ballots.take(index),
        )


class Feature(ABC):
    """A measurement the expert trusts. Subclass and implement ``columns`` and ``read`` to add a type.

    Examples:
        >>> class Percent(Feature):
        ...     def columns(self, name, classes):
        ...         return (name,)
        ...     def read(self, rows, name, classes):
        ...         shares = torch.as_tensor(rows.frame[name].astype(float).to_numpy() / 100)
        ...         return Column(shares, torch.ones(len(rows), dtype=torch.bool))
        >>> import pandas as pd
        >>> rows = Rows(pd.DataFrame({"fat": ["12", "30"]}), np.array(["a", "b"]))
        >>> Percent().read(rows, "fat", ("no", "yes")).values.tolist()
        [0.12, 0.3]
    """

    #: Whether values are integer codes that can be summed over.
    discrete = False
    #: Changes of a picture that leave the measurement as it is: names of `symmetries.SYMMETRIES`.
    symmetries: tuple[str, ...] = ()

    def columns(self, name: str, classes: Sequence[str]) -> tuple[str, ...]:
        """The table columns that this feature reads when it is declared as ``name``."""
        return (name,)

    @abstractmethod
    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        """Read and check the feature's columns; raises InputError for the first bad cell."""

    def describe(self) -> str:
        """What the feature expects, with its unit, for messages and reports."""
        return type(self).__name__

    def vote_counts(self, column: Column, classes: int) -> Floats | None:
        """How many raters chose each class (cases, classes); None for a feature that is no vote."""
        return None


class Scalar(Feature):
    """A feature that is one number per case, in a unit, within bounds.

    Examples:
        >>> class Kilo(Scalar):
        ...     unit_name = "kg"
        ...     def to_model(self, values):
        ...         return values * 1000
        ...     def from_model(self, values):
        ...         return values / 1000
        >>> Kilo().scale  # of one gram
        0.001
    """

    #: Bounds in the column's unit, and whether the bound itself is allowed.
    low: float | None = None
    high: float | None = None
    closed = True
    unit_name = ""

    def to_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """From the column's unit to the model's."""
        return values

    def from_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """From the model's unit back to the column's: the inverse of `to_model`, up to whole turns of an angle."""
        return values

    @property
    def scale(self) -> float:
        """How many of the column's units one of the model's units is."""
        zero, one = self.from_model(np.array([0.0, 1.0]))
        return float(one - zero)

    def ends_to_model(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Ends of a censored cell's interval, from the column's unit to the model's."""
        return self.to_model(values)

    def mend(self, value: float) -> str:
        """What to do about a value out of bounds."""
        return "mend the cell or widen the bounds in the model file"

    def inside(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Which values (in the column's unit) lie within the bounds."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if self.closed:
            return (values >= low) & (values <= high)
        return (values > low) & (values < high)

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        values, unread = rows.numbers(name, name)
        low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
        for row in np.flatnonzero(unread):
            low[row], high[row] = self._interval(rows.cells(name, name)[int(row)].as_py(), rows)
        unread &= np.isnan(low)
        outside = ~np.isnan(values) & (~self.inside(values) | np.isinf(values))
        if (unread | outside).any():
            self._refuse(rows, name, values, np.flatnonzero(unread | outside))
        observed = ~np.isnan(values)
        measured = self.to_model(values[observed])
        filled = np.full(len(values), np.median(measured) if len(measured) else np.nan)
        filled[observed] = measured
        if not len(measured):
            filled[:] = self.to_model(np.array([self._anywhere()]))[0]
        censored = ~np.isnan(low)
        if not censored.any():
            return Column(torch.tensor(filled), torch.tensor(observed))
        self._refuse_ends(rows, name, censored)
        low[censored] = self.ends_to_model(low[censored])
        high[censored] = self.ends_to_model(high[censored])
        return Column(
            torch.tensor(filled), torch.tensor(observed), torch.tensor(low), torch.tensor(high)
        )

    def describe(self) -> str:
        unit = f" {self.unit_name}" if self.unit_name else ""
        if self.low is None and self.high is None:
            return f"a number{unit}"
        if self.high is None:
            return f"a number{unit} {'at least' if self.closed else 'above'} {self.low:g}"
        if self.low is None:
            return f"a number{unit} {'at most' if self.closed else 'below'} {self.high:g}"
        edge = "" if self.closed else ", bounds excluded"
        return f"{self.low:g} to {self.high:g}{unit}{edge}"

    def _anywhere(self) -> float:
        """A value inside the bounds, to stand in for columns in which nothing was measured."""
        if self.low is not None and self.high is not None:
            return (self.low + self.high) / 2
        if self.low is not None:
            return self.low + 1.0
        return 0.0 if self.high is None else self.high - 1.0

    def _refuse_ends(self, rows: Rows, name: str, censored: np.ndarray[Any, Any]) -> None:
        """InputError where '<' and '>' say nothing, given the declared bounds; censored (cases,)."""

    def _interval(self, text: str, rows: Rows) -> tuple[float, float]:
        """The bounds of a cell such as '>60', in the column's unit; NaN where it is no such cell."""
        match = CENSORED.fullmatch(text)
        if match is None:
            return math.nan, math.nan
        bound = rows.number(match["bound"])
        if not self.inside(np.array([bound]))[0]:
            return math.nan, math.nan
        if match["sign"] in ">≥":
            return bound, math.inf if self.high is None else self.high
        return -math.inf if self.low is None else self.low, bound

    def _refuse(
        self, rows: Rows, name: str, values: np.ndarray[Any, Any], bad: np.ndarray[Any, Any]
    ) -> None:
        """InputError for the rows ``bad``, where values (cases,) are NaN if the cell is no number."""
        cells = rows.cells(name, name)

        def got(row: int) -> object:
            return float(values[row]) if np.isfinite(values[row]) else cells[row].as_py()

        def mend(row: int) -> str:
            if np.isfinite(values[row]):
                return self.mend(float(values[row]))
            if np.isinf(values[row]):
                return "leave the cell empty if not measured"
            return rows.how_to_write(cells[row].as_py())

        first = [got(int(row)) for row in bad[:MOST_TOLD]]
        rows.refuse_all(name, bad, first, self.describe(), mend)
