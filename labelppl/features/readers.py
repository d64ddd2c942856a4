"""What several readers said about the cases, in a long table with one row per statement.

The table has the columns ``id`` (or ``task``), ``rater`` (or ``worker``) and what was said, as crowd tools write it. It is
either the main table itself or lies beside the cases table as ``<stem>_<feature>.csv``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from ..arrays import Array
from ..errors import InputError
from .base import Feature
from .cells import as_text, near_match, refuse_confusable
from .rows import NO_ID, Rows, first_values, is_filled, places

ID_NAMES, RATER_NAMES = ("id", "task"), ("rater", "worker")


class ReaderFeature(Feature):
    """A feature that comes from several readers.

    Args:
        *raters: Their names; none takes them from the table, sorted.

    Examples:
        >>> from labelppl.features import Ranking
        >>> isinstance(Ranking("anna", "ben"), ReaderFeature)
        True
    """

    #: Whether others than ``raters`` may speak too; they all get the code that follows.
    strangers = False

    def __init__(self, *raters: str) -> None:
        self.raters = tuple(map(as_text, raters))
        if len(set(self.raters)) < len(self.raters):
            raise InputError(
                f"{type(self).__name__}: got {self.raters!r}, expected different raters"
            )

    def columns(self, name: str, classes: Sequence[str]) -> tuple[str, ...]:
        return ()

    def speaking_columns(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns of a long table that hold what a reader said."""
        raise NotImplementedError


@dataclass(frozen=True)
class Statements:
    """The rows of a long table, and for each its case and its rater (rows,)."""

    rows: Rows
    case: Array
    rater: Array
    raters: tuple[str, ...]


def statements(rows: Rows, name: str, feature: ReaderFeature) -> Statements | None:
    """The statements of the feature ``name``, each checked to have a known case and one rater; None without a table."""
    if name not in rows.beside:
        return None
    where, frame = rows.beside[name]
    columns = list(map(str, frame.columns))
    id_name, rater_name = (key_column(columns, where, names) for names in (ID_NAMES, RATER_NAMES))
    nameless = Rows(frame, np.full(len(frame), NO_ID), where=where, decimal=rows.decimal)
    ids = required_names(nameless, id_name)
    long = replace(nameless, ids=as_strings(ids))
    case = places(ids, rows.ids)
    unknown = np.flatnonzero(case < 0)
    if len(unknown):
        mend = "remove the row or add the case to the table"
        long.refuse_all(id_name, unknown, first_values(ids, unknown), "the id of a case", mend)
    answered = required_names(long, rater_name)
    raters = feature.raters or sorted_names(answered)
    refuse_confusable(
        f"{where}column '{rater_name}'", raters, "write one of them where it is one rater"
    )
    rater = places(answered, raters)
    unknown = np.flatnonzero(rater < 0)
    if len(unknown) and not feature.strangers:
        mend = "remove the row, or fit again with this rater"
        expected = f"one of {name_list(raters)}"
        long.refuse_all(rater_name, unknown, first_values(answered, unknown), expected, mend)
    strangers = sorted_names(answered.take(pa.array(unknown)))
    who = rater.copy()
    who[unknown] = len(raters) + places(answered.take(pa.array(unknown)), strangers)
    codes = len(raters) + len(strangers)
    again = np.flatnonzero(pd.Series(case * codes + who).duplicated())
    if len(again):
        mend = "keep one, or give the second reading a rater name of its own"
        long.refuse_all(
            rater_name, again, first_values(answered, again), "each rater once per case", mend
        )
    if len(unknown):
        warnings.warn(
            f"{where}column '{rater_name}': {len(unknown)} rows are by raters who were not in the fit, such as "
            f"'{strangers[0]}' ({len(strangers)} in all); they count as raters of whom nothing is known but the crowd",
            stacklevel=2,
        )
        rater = np.where(rater < 0, len(raters), rater)
    return Statements(long, case, rater, tuple(raters))


def required_names(rows: Rows, column: str) -> pa.Array:
    """The column as names (rows,), none of them empty."""
    names = rows.names(column, column)
    empty = np.flatnonzero(~is_filled(names))
    if len(empty):
        rows.refuse_all(
            column, empty, first_values(names, empty), "a name", "write it or remove the row"
        )
    return names


def as_strings(names: pa.Array) -> Array:
    """Names as a numpy array of text."""
    return np.array(names.to_pylist(), dtype=str)


def key_column(columns: Sequence[str], where: str, names: Sequence[str]) -> str:
    """Whichever of ``names`` the long table has."""
    for name in names:
        if name in columns:
            return name
    near = next(filter(None, (near_match(name, columns) for name in names)), None)
    mend = f"; the nearest is '{near}': rename it" if near else ""
    raise InputError(
        f"{where}column '{names[0]}': not in the table; expected it (or '{names[1]}') in a table of what raters said; "
        f"the table has {', '.join(columns)}{mend}"
    )


def is_long(columns: Sequence[str]) -> bool:
    """Whether a table with these columns has one row per statement rather than one per case."""
    return any(name in columns for name in RATER_NAMES)


def sorted_names(names: pa.Array | Iterable[str | None]) -> tuple[str, ...]:
    """The different names, in the order of their numbers if all are whole numbers, else of the alphabet."""
    different = set(names.unique().to_pylist() if isinstance(names, pa.Array) else names) - {None}
    whole = all(name.isdecimal() for name in different)
    return tuple(sorted(sorted(different), key=int if whole else str))


def name_list(names: Sequence[str]) -> str:
    """The names for a message, cut short if many."""
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, … ({len(names)} in all)"
