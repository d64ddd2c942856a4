"""`Stated`: an expert's own probability for each class, exact or as a bin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from ..errors import InputError
from .base import Column, Rows
from .codes import as_text
from .readers import ReaderFeature, Statements, statements

_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"^({_NUMBER})\s*(?:-|–|to|\.\.)\s*({_NUMBER})$")
_BEYOND = re.compile(rf"^([<>])=?\s*({_NUMBER})$")
#: Rounded probabilities need not sum to one exactly.
SUM_ROUNDING = 0.02


class Stated(ReaderFeature):
    """Bounds (cases, raters, classes, 2) of the probability that each expert gave each class, low and high.

    low = high where a number was stated; ``0.2-0.4``, ``<0.1`` and ``>90`` (with ``unit="%"``) are bins; 0 to 1 is no
    statement, so that an expert who said nothing carries no information. One expert: the columns ``<feature>_<class>`` of
    the cases table. Several: a long table with ``id, rater`` and those columns, the main table or ``<stem>_<feature>.csv``
    beside it. With two classes the column of one of them is enough.
    """

    def __init__(self, *raters: str, unit: Literal["", "%"] = "") -> None:
        super().__init__(*raters)
        if unit not in ("", "%"):
            raise InputError(f"Stated: got unit {unit!r}, expected '' (0 to 1) or '%' (0 to 100)")
        self.unit = unit

    def said(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(column for column in columns if column.startswith(f"{name}_"))

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        found = statements(rows, name, self)
        own = rows
        if found is None:
            raters = self.raters or ("expert",)
            if len(raters) > 1:
                raise InputError(
                    f"feature '{name}': {len(raters)} raters are declared, but the table has no column 'rater'; expected a "
                    f"table with the columns id, rater and {name}_<class>"
                )
            every = np.arange(len(rows.ids))
            found = Statements(name, rows.frame, every, np.zeros_like(every), raters, rows.where)
        else:
            own = Rows(found.frame, rows.ids[found.case], where=found.where)
        columns = [f"{name}_{k}" for k in classes]
        if len(classes) == 2 and sum(column in own.frame.columns for column in columns) == 1:
            given = 0 if columns[0] in own.frame.columns else 1
            one = self._bounds(own, columns[given], name)
            bounds = np.stack([one, 1 - one[:, ::-1]], 1)
            bounds = bounds if given == 0 else bounds[:, ::-1]
        else:
            bounds = np.stack([self._bounds(own, column, name) for column in columns], 1)
        self._check_sums(own, columns, bounds)
        table = np.tile([0.0, 1.0], (len(rows.ids), len(found.raters), len(classes), 1))
        table[found.case, found.rater] = bounds
        observed = (table[..., 1] - table[..., 0] < 1).any((1, 2))
        return Column(torch.from_numpy(table), torch.from_numpy(observed), names=found.raters)

    def describe(self) -> str:
        return f"a probability{' in %' if self.unit else ' from 0 to 1'}, or a bin such as '0.2-0.4' or '<0.1'"

    def _bounds(self, own: Rows, column: str, name: str) -> np.ndarray:
        """(rows, 2) of one class's column."""
        cells = own.column(column, name)
        top = 100.0 if self.unit else 1.0
        bounds = np.tile([0.0, 1.0], (len(cells), 1))
        for row in np.flatnonzero(cells.notna().to_numpy()):
            text = as_text(cells.iloc[row])
            low, high = _interval(text, top)
            if not 0 <= low <= high <= top:
                looks = not self.unit and 0 <= low <= high <= 100
                mend = "declare Stated(unit='%')" if looks else "mend the cell or leave it empty"
                own.refuse(column, int(row), text, self.describe(), mend)
            bounds[row] = low / top, high / top
        return bounds

    def _check_sums(self, own: Rows, columns: Sequence[str], bounds: np.ndarray) -> None:
        least, most = bounds[..., 0].sum(1), bounds[..., 1].sum(1)
        for row in np.flatnonzero((least > 1 + SUM_ROUNDING) | (most < 1 - SUM_ROUNDING)):
            total = (
                f"{least[row]:.4g} to {most[row]:.4g}"
                if least[row] < most[row]
                else f"{least[row]:.4g}"
            )
            own.refuse(
                f"{columns[0]}, …",
                int(row),
                f"a sum of {total}",
                "probabilities that sum to 1",
                "mend the row",
            )


def _interval(text: str, top: float) -> tuple[float, float]:
    """Bounds of a cell in its unit; NaN where it cannot be read."""
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number, number
    if found := _RANGE.match(text):
        return float(found[1]), float(found[2])
    if found := _BEYOND.match(text):
        bound = float(found[2])
        return (0.0, bound) if found[1] == "<" else (bound, top)
    return np.nan, np.nan
