"""Ids of cases: text inside labelppl, so that tables of any kind match; in the table's own type where they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..arrays import Array, Ints
from ..errors import InputError
from ..features.cells import NUMBER, TEXT, as_text
from ..features.readers import as_strings, required_names
from ..features.rows import Rows

TEXT_IDS = "str"


def match_ids(ids: Iterable[object], among: Iterable[object]) -> Ints:
    """The place of each id among others.

    Args:
        ids: The ids to look for, (cases,); compared as text.
        among: The ids to look among, all different.

    Returns:
        Places (cases,), -1 where an id is not there.

    Examples:
        >>> match_ids(["p2", "p9"], ["p1", "p2"]).tolist()
        [1, -1]
    """
    known = pd.Index([str(name) for name in among])
    return known.get_indexer(pd.Index([str(name) for name in ids])).astype(np.int64)


class ImageRows(NamedTuple):
    """A table with one row per image. ids: (cases,), in order of appearance. row: (rows,) the case of each row."""

    ids: Array
    row: Ints


def read_image_rows(rows: Rows, about: Sequence[str] = ()) -> ImageRows | None:
    """The cases of a table that has one row per image: an id again, each time with another image. None where it has not.

    about: columns that say something of a case. Where the rows of an id differ in one, two cases have one name, which is
    refused.
    """
    if "id" not in rows.frame.columns or "image" not in rows.frame.columns:
        return None
    names = required_names(rows, "id")
    if len(names.unique()) == len(names):
        return None
    row, ids = pd.factorize(as_strings(names))
    images = rows.names("image", "image").to_pylist()
    if pd.DataFrame({"case": row, "image": images}).duplicated().any():
        return None
    for name in about:
        if (rows.frame[name].astype(str).groupby(row).nunique() > 1).any():
            read_ids(rows, named=True, differs=name)
    return ImageRows(np.asarray(ids).astype(str), row.astype(np.int64))


def read_ids(rows: Rows, named: bool, differs: str = "") -> Array:
    """The ids (rows,) of the column ``id``, all different; the row's number from 0 where the table has none.

    differs: the column that says that rows of one id are not images of one case.
    """
    if not named:
        return np.arange(rows.before, rows.before + len(rows.frame)).astype(str)
    ids = as_strings(required_names(rows, "id"))
    again = np.flatnonzero(pd.Series(ids).duplicated())
    if len(again):
        first = {name: row for row, name in reversed(list(enumerate(ids)))}
        got = [str(ids[row]) for row in again]
        raise InputError(
            f"column 'id', row {again[0] + 1}: got '{got[0]}', which row {first[got[0]] + 1} has too, "
            "expected ids that differ; remove or rename one (repeated patients belong in 'group'; several images of one case "
            f"are rows that differ in 'image' alone{differs and f', these in {differs!r} too'}){_others(again, got)}"
        )
    return ids


def _others(rows: Ints, names: list[str]) -> str:
    if len(rows) == 1:
        return ""
    shown = ", ".join(
        f"row {row + 1} '{name}'" for row, name in zip(rows[1:10], names[1:10], strict=False)
    )
    return f"; {len(rows)} repeated ids in all, also {shown}{', …' if len(rows) > 10 else ''}"


def id_type_of(rows: Rows, guess: bool) -> str:
    """The type of the column ``id`` as pandas reads it; guess: the cells are text that may hold numbers, as in a CSV file."""
    if "id" not in rows.frame.columns:
        return TEXT_IDS
    cells = rows.cells("id", "id")
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        return str(cells.type.to_pandas_dtype()(0).dtype)
    if not guess or cells.type != TEXT:
        return TEXT_IDS
    return guessed_type(cells)


def guessed_type(cells: pa.Array) -> str:
    """int64 or float64 where all text is such numbers, and different text different numbers; else 'str'."""
    for pattern, kind in ((r"^[+-]?\d{1,18}$", pa.int64()), (f"^{NUMBER}$", pa.float64())):
        if pc.all(pc.match_substring_regex(cells, pattern)).as_py():
            plain = pc.replace_substring_regex(cells, r"^\+", "")
            return (
                str(kind).replace("double", "float64")
                if len(plain.cast(kind).unique()) == len(cells.unique())
                else TEXT_IDS
            )
    return TEXT_IDS


def untyped_ids(column: pd.Series[Any]) -> tuple[Array, str]:
    """Read ids of a column that `typed_ids` wrote: as text, and their type.

    Args:
        column: The column, (cases,).

    Returns:
        Ids as text, (cases,), and the numpy type that they had, or ``str``.

    Examples:
        >>> ids, id_type = untyped_ids(pd.Series([7, 12]))
        >>> ids.tolist(), id_type
        (['7', '12'], 'int64')
    """
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    return np.array([as_text(name) for name in column], dtype=str), str(
        column.dtype
    ) if numeric else TEXT_IDS


def typed_ids(ids: Array, id_type: str) -> Array:
    """Give ids the type of the table's own column.

    Args:
        ids: Ids as text, (cases,).
        id_type: The numpy type, such as ``int64``, or ``str``.

    Returns:
        The ids in that type, (cases,).

    Examples:
        >>> typed_ids(np.array(["7", "12"]), "int64").tolist()
        [7, 12]
    """
    return ids if id_type == TEXT_IDS else ids.astype(id_type)
