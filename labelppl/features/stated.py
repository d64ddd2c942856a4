"""`Stated`: an expert's own probability for each class, exact or as a bin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from ..arrays import Array
from ..errors import InputError
from .base import Column
from .readers import ReaderFeature, Statements, statements
from .rows import Rows, first_values

_NUMBER = r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
_RANGE = re.compile(rf"^({_NUMBER})\s*(?:-|–|to|\.\.)\s*({_NUMBER})$")
_BEYOND = re.compile(rf"^([<>≤≥])=?\s*({_NUMBER})$")
#: Rounded probabilities need not sum to one exactly.
SUM_ROUNDING = 0.02


class Stated(ReaderFeature):
    """Bounds (cases, raters, classes, 2) of the probability that each expert gave each class, low and high.

    low = high where a number was stated; ``0.2-0.4``, ``<0.1`` and ``>90`` (with ``unit="%"``) are bins; 0 to 1 is no
    statement, so that an expert who said nothing carries no information. One expert: the columns ``<feature>_<class>`` of
    the cases table. Several: a long table with ``id, rater`` and those columns, the main table or ``<stem>_<feature>.csv``
    beside it. With two classes the column of one of them is enough.

    Args:
        raters: The experts' names, in the order of their codes; none takes them from the table.
        unit: ``""`` for 0 to 1, ``"%"`` for 0 to 100.

    Raises:
        InputError: For another unit, an empty name, or one that is named twice.

    Examples:
        >>> Stated(unit="%").unit
        '%'
    """

    def __init__(self, *raters: str, unit: Literal["", "%"] = "") -> None:
        super().__init__(*raters)
        if unit not in ("", "%"):
            raise InputError(f"Stated: got unit {unit!r}, expected '' (0 to 1) or '%' (0 to 100)")
        self.unit = unit

    def speaking_columns(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(column for column in columns if column.startswith(f"{name}_"))

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        said = statements(rows, name, self)
        if said is None:
            raters = self.raters or ("expert",)
            if len(raters) > 1:
                raise InputError(
                    f"feature '{name}': {len(raters)} raters are declared, but the table has no column 'rater'; expected a "
                    f"table with the columns id, rater and {name}_<class>"
                )
            every = np.arange(len(rows))
            said = Statements(rows, every, np.zeros_like(every), raters)
        columns = [f"{name}_{k}" for k in classes]
        present = [k for k, column in enumerate(columns) if column in said.rows.frame.columns]
        if len(classes) == 2 and len(present) == 1:
            one = self._bounds(said.rows, columns[present[0]], name)
            bounds = np.stack([one, 1 - one[:, ::-1]], 1)
            bounds = bounds if present == [0] else bounds[:, ::-1]
        else:
            bounds = np.stack([self._bounds(said.rows, column, name) for column in columns], 1)
        self._check_sums(said.rows, columns, bounds)
        table = np.tile([0.0, 1.0], (len(rows), len(said.raters), len(classes), 1))
        table[said.case, said.rater] = bounds
        observed = (table[..., 1] - table[..., 0] < 1).any((1, 2))
        return Column(torch.from_numpy(table), torch.from_numpy(observed), names=said.raters)

    def describe(self) -> str:
        return f"a probability{' in %' if self.unit else ' from 0 to 1'}, or a bin such as '0.2-0.4' or '<0.1'"

    def _bounds(self, rows: Rows, column: str, name: str) -> Array:
        """(rows, 2) of one class's column."""
        top = 100.0 if self.unit else 1.0
        numbers, unread = rows.numbers(column, name)
        cells = rows.names(column, name)
        exact = ~np.isnan(numbers)
        bounds = np.tile([0.0, top], (len(numbers), 1))
        bounds[exact] = numbers[exact, None]
        for row in np.flatnonzero(unread):
            bounds[row] = _interval(rows.with_point(cells[int(row)].as_py()), top)
        low, high = bounds.T
        wrong = np.flatnonzero(~((low >= 0) & (low <= high) & (high <= top)))
        if len(wrong):

            def mend(row: int) -> str:
                per_cent = not self.unit and 0 <= low[row] <= high[row] <= 100
                return "declare Stated(unit='%')" if per_cent else "mend the cell or leave it empty"

            rows.refuse_all(column, wrong, first_values(cells, wrong), self.describe(), mend)
        return bounds / top

    def _check_sums(self, rows: Rows, columns: Sequence[str], bounds: Array) -> None:
        least, most = bounds[..., 0].sum(1), bounds[..., 1].sum(1)
        wrong = np.flatnonzero((least > 1 + SUM_ROUNDING) | (most < 1 - SUM_ROUNDING))
        if len(wrong):
            sums = [
                f"a sum of {low:.4g} to {high:.4g}" if low < high else f"a sum of {low:.4g}"
                for low, high in zip(least[wrong], most[wrong], strict=True)
            ]
            expected = "probabilities that sum to 1"
            rows.refuse_all(f"{columns[0]}, …", wrong, sums, expected, "mend the row")


def _interval(text: str, top: float) -> tuple[float, float]:
    """Bounds of a cell in its unit; NaN where it cannot be read."""
    if ends := _RANGE.match(text):
        return float(ends[1]), float(ends[2])
    if beyond := _BEYOND.match(text):
        bound = float(beyond[2])
        return (0.0, bound) if beyond[1] in "<≤" else (bound, top)
    return np.nan, np.nan
