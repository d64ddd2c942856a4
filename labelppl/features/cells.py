"""The cells of one column, read once: text in one form, numbers as numbers, everything else refused by its type.

Two spellings that look the same are the same: outer white space of every kind is cut off (also no-break and zero-width
spaces and byte-order marks) and letters are in Unicode's composed form (NFC). So ``"P1"`` and ``"P1 "`` are one patient,
whether the table is a CSV file, a Parquet file or a data frame.
"""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import Array
from ..errors import InputError
from .faults import MOST_TOLD

#: Refuses the rows (from 0) with what they hold, what was expected instead, and the mend.
Refuse = Callable[[Array, Sequence[object], str, str], NoReturn]

#: Cells of a table that mean: nothing was written here.
EMPTY = ("", "NA", "N/A", "NaN", "nan")
#: What a spreadsheet writes where a formula failed; never a name, never a number.
FORMULA_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!")
#: Types of cells that are neither text nor numbers, by words of their names: what to call them, and the mend.
NO_CELLS = {
    "timedelta duration": (
        "the time span",
        "write a number and declare its unit, e.g. Real('days')",
    ),
    "datetime timestamp date": (
        "the date",
        "write a number (e.g. an age in years), or text where it is a name",
    ),
    "time": ("the time", "write a number (e.g. hours), or text where it is a name"),
    "bytes binary bytearray": ("the bytes", "save the column as text"),
    "list ndarray tuple": ("the list", "write one value in each cell"),
    "dict struct map": ("the record", "write one value in each cell"),
}
#: Characters that nobody sees at the ends of a cell: white space, and Unicode's invisible format marks.
#: They stand in the first two planes and among the tags of the fifteenth; looking at all planes would slow every start.
OUTER = "".join(
    c
    for c in map(chr, chain(range(0x20000), range(0xE0000, 0xE1000)))
    if c.isspace() or unicodedata.category(c) == "Cf"
)
OUTER_ASCII = "".join(c for c in OUTER if c.isascii())

#: Likeness, 0 to 1, from which a name is told as the one that was meant; difflib's own default.
CLOSE = 0.6
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
#: What counts as a number; an infinite one is read so that it can be refused as such.
READABLE = rf"^({NUMBER}|[+-]?(inf|Inf|INF|infinity|Infinity))$"
WHOLE_AS_FLOAT = r"^([+-]?\d+)\.0+$"
TEXT = pa.large_string()


def clean_text(text: str) -> str:
    """``text`` without outer white space, in Unicode's composed form."""
    return unicodedata.normalize("NFC", text.strip(OUTER))


def as_text(cell: object) -> str:
    """The name that a cell holds; a whole number that another tool wrote as 1.0 is the name '1'."""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return re.sub(WHOLE_AS_FLOAT, r"\1", clean_text(str(cell)), flags=re.ASCII)


def read_cells(column: pd.Series[Any], refuse: Refuse) -> pa.Array:
    """The cells (cases,) as Arrow text, integers, floats or booleans, null where empty; other types are refused."""
    typed = _to_allowed(column, refuse)
    return _clean(typed, refuse) if typed.type == TEXT else typed


def names_of(cells: pa.Array) -> pa.Array:
    """Cells from `read_cells` as names: text, null where empty."""
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
        values = cells.to_numpy(zero_copy_only=False)
        whole = np.mod(values, 1) == 0
        if whole[~np.isnan(values)].all() and not (np.abs(values) > 2**53).any():
            cells = cells.cast(pa.int64())
        else:
            text = [None if np.isnan(value) else as_text(value) for value in values]
            return pa.array(text, TEXT)
    if pa.types.is_boolean(cells.type):
        return pc.if_else(cells, "True", "False").cast(TEXT)
    if cells.type != TEXT:
        return cells.cast(TEXT)
    if not pc.any(pc.match_substring(cells, ".0")).as_py():
        return cells
    return pc.replace_substring_regex(cells, WHOLE_AS_FLOAT, r"\1")


def numbers_of(cells: pa.Array, decimal: str = ".") -> tuple[Array, Array]:
    """Numbers (cases,) float64, NaN where there is none, and (cases,) whether a cell holds something else.

    decimal: what text writes before the decimals, '.' or ','.
    """
    if cells.type != TEXT:
        values = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return values.copy(), np.zeros(len(values), dtype=bool)
    if decimal != ".":
        # A point would then be a separator of thousands, which is not guessed.
        pointed = pc.match_substring(cells, ".")
        cells = pc.if_else(pointed, cells, pc.replace_substring(cells, decimal, "."))
        numeric = pc.and_not(pc.match_substring_regex(cells, READABLE), pointed)
    else:
        numeric = pc.match_substring_regex(cells, READABLE)
    readable = pc.if_else(numeric, cells, pa.scalar(None, TEXT)).cast(pa.float64())
    values = readable.to_numpy(zero_copy_only=False).copy()
    if (values == 0).any():  # 1e-400 is nearer to 0 than floating point can be, and is no 0
        above = pc.fill_null(pc.match_substring_regex(cells, r"^[+-]?[0.]*[1-9]"), False)
        values[(values == 0) & above.to_numpy(zero_copy_only=False)] = np.nan
    return values, np.isnan(values) & cells.is_valid().to_numpy(zero_copy_only=False)


def refuse_confusable(where: str, names: Iterable[str], mend: str) -> None:
    """InputError for two names that differ only in case, or are the same number."""
    known: dict[object, str] = {}
    for name in names:
        key = float(name) if re.fullmatch(NUMBER, name, re.ASCII) else name.casefold()
        if key in known:
            how = "are the same number" if isinstance(key, float) else "differ only in case"
            raise InputError(f"{where}: the names '{known[key]}' and '{name}' {how}; {mend}")
        known[key] = name


def near_match(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``name`` was probably meant to be, or None."""
    by_key = {_key(other): other for other in names}
    close = difflib.get_close_matches(_key(name), list(by_key), 1, CLOSE)
    return by_key[close[0]] if close else None


def same_but_for_spelling(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that differs from ``name`` only in case, spaces, hyphens or underscores, or None."""
    return next((other for other in names if _key(other) == _key(name) and other != name), None)


def _key(name: str) -> str:
    return re.sub(r"[\s_\-.]", "", name.casefold())


def _clean(cells: pa.Array, refuse: Refuse) -> pa.Array:
    ascii_only = pc.all(pc.string_is_ascii(cells)).as_py()
    if ascii_only is not False:
        cells = pc.ascii_trim(cells, OUTER_ASCII)
    else:
        cells = pc.utf8_normalize(pc.utf8_trim(cells, OUTER), "NFC")
    for wrong, mend in (
        (pc.match_substring(cells, "\0"), "remove the character that is not text"),
        (pc.is_in(cells, pa.array(FORMULA_ERRORS, TEXT)), "mend the formula in the spreadsheet"),
    ):
        rows = np.flatnonzero(pc.fill_null(wrong, False).to_numpy(zero_copy_only=False))
        if len(rows):
            refuse(rows, cells.take(pa.array(rows)).to_pylist(), "text or a number", mend)
    return pc.if_else(pc.is_in(cells, pa.array(EMPTY, TEXT)), pa.scalar(None, TEXT), cells)


def _to_allowed(column: pd.Series[Any], refuse: Refuse) -> pa.Array:
    """The column as an Arrow array of an allowed type."""
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):  # pandas does not know what its newer types are
        return _from_arrow(_in_one(pa.array(column, from_pandas=True)), refuse)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = pa.array(column.cat.codes, pa.int64(), mask=column.isna().to_numpy())
        return _to_allowed(pd.Series(dtype.categories), refuse).take(codes)
    if pd.api.types.is_object_dtype(dtype):
        return _from_objects(list(column), refuse)
    try:
        cells = pa.array(column, from_pandas=True)
    except pa.ArrowException:  # a type that Arrow has not, such as complex numbers
        return _from_objects(list(column.astype(object)), refuse)
    return _from_arrow(_in_one(cells), refuse)


def _in_one(cells: pa.Array | pa.ChunkedArray) -> pa.Array:
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _from_arrow(cells: pa.Array, refuse: Refuse) -> pa.Array:
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _from_arrow(cells.dictionary_decode(), refuse)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return cells.cast(TEXT)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind) or pa.types.is_null(kind):
        return cells.cast(pa.float64())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return cells
    filled = np.flatnonzero(cells.is_valid().to_numpy(zero_copy_only=False))
    rows = filled if len(filled) else np.arange(len(cells))
    _refuse_types(rows, [cells[int(row)].as_py() for row in rows[:MOST_TOLD]], refuse, str(kind))


def _from_objects(cells: list[Any], refuse: Refuse) -> pa.Array:
    """From Python's own values, of which a column may mix several kinds."""
    empty = [
        c is None
        or c is pd.NA
        or c is pd.NaT
        or (isinstance(c, float) and math.isnan(c))
        or (isinstance(c, Decimal) and c.is_nan())
        for c in cells
    ]
    values = [
        None if blank else c.item() if isinstance(c, np.generic) else c
        for c, blank in zip(cells, empty, strict=True)
    ]
    kinds = {type(value) for value in values} - {type(None)}
    allowed = {str, bool, int, float, Decimal}
    if not kinds <= allowed:
        rows = [
            at for at, v in enumerate(values) if v is not None and not isinstance(v, (*allowed,))
        ]
        if rows:
            _refuse_types(np.array(rows), [values[at] for at in rows[:MOST_TOLD]], refuse)
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds and kinds <= {int, float, Decimal}:
        if kinds == {int} and max(abs(v) for v in values if v is not None) < 2**63:
            return pa.array(values, pa.int64())
        if kinds != {int}:
            return pa.array([None if v is None else float(v) for v in values], pa.float64())
    text = [None if v is None else v if isinstance(v, str) else as_text(v) for v in values]
    try:
        return pa.array(text, TEXT)
    except UnicodeEncodeError:
        rows = [at for at, v in enumerate(text) if v is not None and not _encodable(v)]
        refuse(
            np.array(rows),
            [ascii(text[at]) for at in rows],
            "text or a number",
            "remove the character that is not text",
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_types(
    rows: Array, cells: Sequence[object], refuse: Refuse, dtype: str = ""
) -> NoReturn:
    """Refuse ``rows``, of which the first hold ``cells``; dtype: the column's type, which tells what an empty cell is."""
    name = f"{type(cells[0]).__name__} {dtype}".lower()
    kind, mend = next(
        (why for types, why in NO_CELLS.items() if any(t in name for t in types.split())),
        (f"the {type(cells[0]).__name__}", "save the column as text or as numbers"),
    )
    got = [
        f"an empty cell of type {dtype}" if cell is None else f"{kind} {str(cell)[:60]}"
        for cell in cells[:MOST_TOLD]
    ]
    refuse(rows, got, "text or a number", mend)
