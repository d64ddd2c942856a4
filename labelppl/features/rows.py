"""`Rows`: the table that features read, cell by cell in one form, and how a bad cell is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import Array
from ..errors import InputError
from .cells import (
    NUMBER,
    TEXT,
    Refuse,
    as_text,
    names_of,
    near_match,
    numbers_of,
    read_cells,
)
from .faults import MOST_TOLD, BadCells, Fault

#: Characters of a cell that a message shows.
MOST_SHOWN = 80
#: The id of a row whose id is not known yet, so that messages leave it out.
NO_ID = ""


@dataclass(frozen=True)
class Rows:
    """The table being read: the frame and the id of each case.

    Args:
        frame: The table.
        ids: (rows,) the id of each row's case.
        beside: Feature -> what raters said about the cases: how to call that table in messages, and the long table itself.
        where: Begins each message.
        before: Rows of the file that come before these.
        decimal: What text writes before the decimals, '.' or ','.
        case: (rows,) the case of each row, where the frame has several rows a case.
        answers: The columns of such a frame that hold what raters said or one of several images, and nothing about the
            case itself.

    Examples:
        >>> rows = Rows(pd.DataFrame({"x": ["1.5", ""]}), np.array(["a", "b"]))
        >>> values, wrong = rows.numbers("x", "length")
        >>> values.tolist(), wrong.tolist()
        ([1.5, nan], [False, False])
    """

    frame: pd.DataFrame
    ids: np.ndarray[Any, Any]
    beside: Mapping[str, tuple[str, pd.DataFrame]] = field(default_factory=dict)
    where: str = ""
    before: int = 0
    decimal: str = "."
    case: Array | None = None
    answers: frozenset[str] = frozenset()
    _read: dict[str, pa.Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def about_cases(self) -> tuple[str, ...]:
        """The columns that say something about the cases themselves."""
        return tuple(name for name in map(str, self.frame.columns) if name not in self.answers)

    def column(self, name: str, feature: str) -> pd.Series[Any]:
        """The column ``name`` (cases,) with its text in one form, None or NaN where empty; InputError if there is none."""
        return pd.Series(self.cells(name, feature).to_pandas(), name=name)

    def names(self, name: str, feature: str) -> pa.Array:
        """The column's cells (cases,) as names: Arrow text, null where empty."""
        return names_of(self.cells(name, feature))

    def codes(self, name: str, feature: str, known: Sequence[str]) -> Array:
        """The place (cases,) of each cell among the names ``known``, -1 where the cell is empty or another name."""
        return places(self.names(name, feature), known)

    def numbers(self, name: str, feature: str) -> tuple[Array, Array]:
        """The column's numbers (cases,), NaN where there is none, and (cases,) whether a cell holds something else."""
        cells = self.cells(name, feature)
        if pa.types.is_boolean(cells.type):
            mend = "write 0 and 1, or declare Category('False', 'True')"
            rows = np.flatnonzero(is_filled(cells))
            self.refuse_all(
                name, rows, first_values(cells, rows), "a number, not true or false", mend
            )
        return numbers_of(cells, self.decimal)

    def number(self, text: str) -> float:
        """The number that ``text`` writes, NaN if it writes none."""
        plain = self.with_point(text.strip())
        return float(plain) if re.fullmatch(NUMBER, plain, re.ASCII) else math.nan

    def with_point(self, text: str) -> str:
        """``text`` with decimals after a point; empty if it has points already where they are written after a comma."""
        if self.decimal == ".":
            return text
        return "" if "." in text else text.replace(self.decimal, ".")

    def how_to_write(self, text: str) -> str:
        """The mend for a cell ``text`` that is no number."""
        if "\N{MINUS SIGN}" in text:
            return "write the minus as '-'"
        other = "," if self.decimal == "." else "."
        if re.fullmatch(rf"[+-]?\d+[{other}]\d+", text):
            return (
                f"write decimals after '{self.decimal}', or read the table with --decimal '{other}'"
            )
        return "write a number, '<bound', '>bound', or leave the cell empty if not measured"

    def cells(self, name: str, feature: str) -> pa.Array:
        """The column's cells (cases,) as Arrow text, integers, floats or booleans; InputError if the table has none."""
        if name not in self._read:
            if self.case is None:
                self._read[name] = read_cells(self._column(name, feature), self._refuse_in(name))
            else:
                self._read[name] = self._one_per_case(name, feature, self.case)
        return self._read[name]

    def refuse(self, column: str, row: int, got: object, expected: str, mend: str) -> NoReturn:
        """Raise the one-line error about one case's cell; ``row`` counts the cases from 0."""
        self.refuse_all(column, np.array([row]), [got], expected, mend)

    def refuse_all(
        self,
        column: str,
        rows: Array,
        got: Sequence[object],
        expected: str,
        mend: str | Callable[[int], str],
    ) -> NoReturn:
        """Raise one error about the cells of the cases ``rows`` (from 0).

        got: what the first `MOST_TOLD` of them hold. mend: the same for all, or called with each of ``rows``.
        """
        in_file = self._first if self.case is not None else np.arange(len(self.ids))
        faults = [
            Fault(
                where=self.where,
                column=column,
                row=self.before + int(in_file[row]) + 1,
                case=f" (id {_show_cell(str(self.ids[row]))})" if self.ids[row] != NO_ID else "",
                got="an empty cell" if cell is None else _show_cell(cell),
                expected=expected,
                mend=mend if isinstance(mend, str) else mend(int(row)),
            )
            for row, cell in zip(rows[:MOST_TOLD], got, strict=False)
        ]
        raise BadCells(faults, len(rows))

    def _refuse_in(self, name: str) -> Refuse:
        def refuse(rows: Array, got: Sequence[object], expected: str, mend: str) -> NoReturn:
            self.refuse_all(name, rows, got, expected, mend)

        return refuse

    @cached_property
    def _first(self) -> Array:
        """(cases,) the first row of each case."""
        assert self.case is not None
        return np.unique(self.case, return_index=True)[1]

    def every_row(self) -> Rows:
        """The same table with each of its rows by itself, under the id of its case."""
        return self if self.case is None else replace(self, ids=self.ids[self.case], case=None)

    def _one_per_case(self, name: str, feature: str, case: Array) -> pa.Array:
        every_row = self.every_row()
        cells = every_row.cells(name, feature)
        codes = cells.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        differ = np.flatnonzero(codes != codes[self._first][case])
        if len(differ):
            raise InputError(
                f"{self.where}column '{name}': differs between the rows of one id "
                f"({str(every_row.ids[differ[0]])!r}); expected one value per case for '{feature}'; write the same value "
                "in all rows of the id, or another name into column 'id' where it is another case"
            )
        return cells.take(pa.array(self._first))

    def _column(self, name: str, feature: str) -> pd.Series[Any]:
        if name not in self.frame.columns:
            names = list(map(str, self.frame.columns))
            near = near_match(name, names)
            mend = f"the nearest is '{near}': rename it" if near else "add it"
            raise InputError(
                f"{self.where}column '{name}': not in the table; expected it for feature '{feature}'; the table has "
                f"{', '.join(names)}; {mend} or change the model file's declaration"
            )
        return self.frame[name]


def _show_cell(cell: object) -> str:
    """A cell as a message writes it, cut where it would fill the screen."""
    text = repr(cell.item() if isinstance(cell, np.generic) else cell)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 2]}…{text[-1]}"


def first_values(cells: pa.Array, rows: Array) -> list[object]:
    """What the first `MOST_TOLD` of ``rows`` hold, None for an empty cell."""
    return [cells[int(row)].as_py() for row in rows[:MOST_TOLD]]


def is_filled(cells: pa.Array) -> Array:
    """(cases,) whether a cell is not empty."""
    return cells.is_valid().to_numpy(zero_copy_only=False)


def places(names: pa.Array, known: Iterable[str]) -> Array:
    """The place (cases,) of each of ``names`` among ``known``, -1 where it is none of them or null."""
    value_set = pa.array([as_text(name) for name in known], TEXT)
    at = pc.index_in(names, value_set=value_set, skip_nulls=True)
    return at.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
