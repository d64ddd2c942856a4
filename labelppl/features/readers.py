"""What several readers said about the cases, in a long table with one row per statement.

The table has the columns ``id`` (or ``task``), ``rater`` (or ``worker``) and what was said, as crowd tools write it. It is
either the main table itself or lies beside the cases table as ``<stem>_<feature>.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import Array
from ..errors import InputError
from .base import Feature, Rows

ID_NAMES, RATER_NAMES = ("id", "task"), ("rater", "worker")


class ReaderFeature(Feature):
    """A feature that comes from several readers. raters: their names, or () to take them from the table, sorted."""

    def __init__(self, *raters: str) -> None:
        self.raters = tuple(map(str, raters))
        if len(set(self.raters)) < len(self.raters):
            raise InputError(
                f"{type(self).__name__}: got {self.raters!r}, expected different raters"
            )

    def columns(self, name: str, classes: Sequence[str]) -> tuple[str, ...]:
        return ()

    def said(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns of a long table that hold what a reader said."""
        raise NotImplementedError


@dataclass(frozen=True)
class Statements:
    """The rows of a long table: frame, and for each row its case and rater (rows,)."""

    name: str
    frame: pd.DataFrame
    case: Array
    rater: Array
    raters: tuple[str, ...]
    where: str


def statements(rows: Rows, name: str, feature: ReaderFeature) -> Statements | None:
    """The statements of the feature ``name``, each checked to have a known case and one rater; None without a table."""
    if name not in rows.beside:
        return None
    where, frame = rows.beside[name]
    id_name, rater_name = (key_column(frame, where, names) for names in (ID_NAMES, RATER_NAMES))
    own = Rows(frame, frame[id_name].astype(str).to_numpy(), where=where)
    for column in (id_name, rater_name):
        for row in np.flatnonzero(frame[column].isna()):
            own.refuse(column, int(row), None, "a name", "write it or remove the row")
    case = pd.Index(rows.ids).get_indexer(pd.Index(own.ids))
    for row in np.flatnonzero(case < 0):
        mend = "remove the row or add the case to the table"
        own.refuse(id_name, int(row), own.ids[row], "the id of a case", mend)
    said_by = frame[rater_name].astype(str)
    raters = feature.raters or sorted_names(said_by)
    rater = pd.Index(raters).get_indexer(pd.Index(said_by))
    for row in np.flatnonzero(rater < 0):
        mend = "remove the row, or fit again with this rater"
        own.refuse(rater_name, int(row), said_by.iloc[row], f"one of {name_list(raters)}", mend)
    again = pd.DataFrame({"case": case, "rater": rater}).duplicated().to_numpy()
    for row in np.flatnonzero(again):
        mend = "keep one, or give the second reading a rater name of its own"
        own.refuse(rater_name, int(row), said_by.iloc[row], "each rater once per case", mend)
    return Statements(name, frame, case, rater, tuple(raters), where)


def key_column(frame: pd.DataFrame, where: str, names: Sequence[str]) -> str:
    """Whichever of ``names`` the long table has."""
    for name in names:
        if name in frame.columns:
            return name
    raise InputError(
        f"{where}column '{names[0]}': not in the table; expected it (or '{names[1]}') in a table of what raters said; "
        f"the table has {', '.join(map(str, frame.columns))}"
    )


def is_long(frame: pd.DataFrame) -> bool:
    """Whether a table has one row per statement rather than one per case."""
    return any(name in frame.columns for name in RATER_NAMES)


def one_row_per_case(
    frame: pd.DataFrame, features: Mapping[str, ReaderFeature]
) -> tuple[pd.DataFrame, frozenset[str]]:
    """One row per case of a long table, in order of appearance, and the columns that differ within a case.

    Columns that hold what readers said are left to the readers' features.
    """
    id_name = key_column(frame, "", ID_NAMES)
    if frame[id_name].isna().any():
        row = int(np.flatnonzero(frame[id_name].isna())[0])
        raise InputError(
            f"column '{id_name}', row {row + 1}: got an empty cell, expected a name; write one"
        )
    columns = list(map(str, frame.columns))
    said = {c for name, feature in features.items() for c in feature.said(name, columns)}
    keys = frame[id_name].astype(str)
    kept = [c for c in columns if c not in {id_name, *RATER_NAMES, *said}]
    per_case = frame[kept].groupby(keys, sort=False)
    differing = frozenset(c for c in kept if (per_case[c].nunique(dropna=False) > 1).any())
    cases = frame.loc[~keys.duplicated(), [c for c in kept if c not in differing]].copy()
    cases.insert(0, "id", keys[~keys.duplicated()])
    return cases.reset_index(drop=True), differing


def sorted_names(cells: pd.Series[Any]) -> tuple[str, ...]:
    """The different names, in the order of their numbers if all are whole numbers, else of the alphabet."""
    names = set(cells.dropna().astype(str))
    whole = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=int if whole else str))


def name_list(names: Sequence[str]) -> str:
    """The names for a message, cut short if many."""
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, … ({len(names)} in all)"
