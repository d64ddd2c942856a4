"""`cases_from_frame`: the rows of a table as `Cases`, every cell checked against the label model's declarations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from ..arrays import Array, Ints
from ..errors import InputError
from ..features import Column, Feature, Label, ReaderFeature, Rows
from ..features.cells import (
    clean_text,
    same_but_for_spelling,
)
from ..features.codes import read_codes
from ..features.faults import BadCells
from ..features.readers import (
    ID_NAMES,
    RATER_NAMES,
    as_strings,
    is_long,
    key_column,
    required_names,
)
from ..features.rows import NO_ID
from ..split import LazySplit, make_split, refuse_leak
from .cases import Cases
from .classes import open_classes
from .files import Delimiters, has_ids, open_table
from .ids import TEXT_IDS, id_type_of, read_ids, read_image_rows
from .roles import IMAGE, group_names, image_paths, own_split, true_probabilities

Value = TypeVar("Value")


def cases_from_frame(
    frame: pd.DataFrame,
    label_name: str,
    label: Label,
    features: Mapping[str, Feature],
    *,
    path: Path | None = None,
    classes: Sequence[str] | None = None,
    group: str = "group",
    seed: int = 0,
    beside: Mapping[str, pd.DataFrame] | None = None,
    raters: Mapping[str, Sequence[str]] | None = None,
    strangers: bool = False,
    delimiters: Delimiters | None = None,
    guess_ids: bool = False,
) -> Cases:
    """Check the frame against the declarations and return its cases.

    Args:
        frame: One row per case; named index levels count as columns. A frame with a column ``rater`` (or ``worker``) is
            a table of what raters said, with several rows per case. A case with several images has one row for each,
            or their paths in one cell, with ``|`` between them.
        label_name: The label's column; without it no case is labelled.
        label: Its classes.
        features: The measurements by name.
        path: The table on disk; images are relative to it.
        classes: Fixes the classes of an open ``Label()``, e.g. to those of an earlier fit.
        group: The column of patients; only the default may be absent.
        seed: Makes the split, when it is first looked at, where the frame has none.
        beside: Feature name -> a long table of what raters said.
        raters: Fixes the raters of a feature, by its name.
        strangers: Whether others than ``raters`` may say something; InputError otherwise.
        delimiters: How the file at ``path`` is written; text may have decimals after a comma.
        guess_ids: Ids are text that may hold numbers, as in a CSV file.

    Returns:
        The cases, in the frame's order.

    Raises:
        InputError: A column is missing, or cells cannot be read: the first ten, and how many there are.

    Examples:
        >>> frame = pd.DataFrame({"id": ["a", "b"], "y": ["x", None], "size": [1.5, 2.5]})
        >>> cases = cases_from_frame(frame, "y", Label("x", "z"), {"size": Positive()})
        >>> cases.labels.tolist()
        [0, -1]
    """
    frame = _with_clean_header(frame, path)
    columns = list(map(str, frame.columns))
    if frame.empty:
        raise InputError(f"{path or 'table'}: no rows; expected at least one case")
    if raters:
        features = {
            name: _with_raters(kind, raters.get(name), strangers) for name, kind in features.items()
        }
    _refuse_other_spelling(columns, label_name, features, group)
    delimiters = delimiters or Delimiters()
    about = [column for name, kind in features.items() for column in kind.columns(name, ())]
    about = [name for name in (label_name, group, "split", *about) if name in columns]
    rows = _rows(frame, features, beside or {}, delimiters.decimal, about)
    names = tuple(classes or label.classes or open_classes(rows, label_name, features))
    id_type = id_type_of(rows, guess_ids) if "id" in rows.about_cases else TEXT_IDS
    return read_rows(
        rows,
        label_name,
        names,
        features,
        path=path,
        group=group,
        seed=seed,
        delimiters=delimiters,
        id_type=id_type,
    )


def read_rows(
    rows: Rows,
    label_name: str,
    classes: tuple[str, ...],
    features: Mapping[str, Feature],
    *,
    path: Path | None = None,
    group: str = "group",
    seed: int | None = None,
    delimiters: Delimiters,
    id_type: str,
) -> Cases:
    """The cases of ``rows``, whose ids are known; bad cells of all columns are refused together.

    seed: makes the split; None where the rows are a part of a table, which has no split of its own.
    """
    columns = rows.about_cases
    refused: list[BadCells] = []

    def attempt(read: Callable[[], Value], instead: Value) -> Value:
        try:
            return read()
        except BadCells as error:
            refused.append(error)
            return instead

    unlabelled = np.full(len(rows), -1, dtype=np.int64)
    labels = unlabelled
    if label_name in columns:
        mend = "mend the cell or the classes in the model file"
        labels = attempt(lambda: read_codes(rows, label_name, classes, mend), unlabelled)
    read: dict[str, Column] = {}
    for name, feature in features.items():
        attempt(lambda f=feature, n=name: read.update({n: f.read(rows, n, classes)}), None)  # type: ignore[misc]
    groups = None
    if group in columns or group != "group":
        groups = attempt(lambda: group_names(rows, group), None)
    images = attempt(lambda: image_paths(rows, path), None)
    p_true = attempt(lambda: true_probabilities(rows, classes), None)
    sides = attempt(lambda: own_split(rows), None)
    if refused:
        raise BadCells.join(refused)
    if sides is not None and groups is not None:
        refuse_leak(groups, sides)
    return Cases(
        ids=rows.ids,
        classes=classes,
        labels=labels,
        columns=read,
        split=LazySplit(lambda: _split_of_table(labels, groups, seed)) if sides is None else sides,  # type: ignore[arg-type]
        images=images,
        groups=groups,
        p_true=p_true,
        path=path,
        split_given=sides is not None,
        label_given=label_name in columns,
        id_type=id_type,
        delimiters=delimiters,
    )


def _split_of_table(labels: Ints, groups: Array | None, seed: int | None) -> Array:
    if seed is None:
        raise InputError("cases: a batch of a table has no split; read the whole table")
    return make_split(labels, groups, seed)


def read_frame(path: Path, delimiters: Delimiters | None = None) -> pd.DataFrame:
    """Read the table at ``path`` as written: cells of a text file as text, those of Parquet with their types.

    Args:
        path: CSV or Parquet.
        delimiters: How it is written, if it is text.

    Returns:
        All rows and columns, with Arrow types.

    Raises:
        InputError: There is no such file, or it is no table.

    Examples:
        >>> pd.DataFrame({"id": ["a", "b"], "size": [1.5, 2.5]}).to_csv("cases.csv", index=False)
        >>> read_frame(Path("cases.csv"))["size"].tolist()
        ['1.5', '2.5']
    """
    return open_table(path, delimiters).frame()


def _with_clean_header(frame: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """The frame with its named index levels as columns, and names without outer white space, each once.

    An index without a name is the ids, where no column is named so and it is more than the rows' numbers.
    """
    if (
        frame.index.names == [None]
        and not frame.index.equals(pd.RangeIndex(len(frame)))
        and not has_ids([clean_text(str(name)) for name in frame.columns])
    ):
        frame = frame.rename_axis(index=ID_NAMES[0])
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    if levels:
        frame = frame.reset_index(level=levels)
    names = [clean_text(str(name)) for name in frame.columns]
    repeated = [name for at, name in enumerate(names) if name in names[:at]]
    if repeated:
        where = f"{path}: " if path else ""
        raise InputError(f"{where}column '{repeated[0]}': appears twice; rename or remove one")
    return frame.set_axis(names, axis=1)


def _refuse_other_spelling(
    columns: Sequence[str], label_name: str, features: Mapping[str, Feature], group: str
) -> None:
    """InputError for a column that has a meaning here but for its spelling: it would be ignored in silence."""
    raters = any(isinstance(kind, ReaderFeature) for kind in features.values())
    meant = [label_name, group, "split", "image"]
    meant += [] if any(name in columns for name in ID_NAMES) else ["id"]
    meant += [] if not raters or is_long(columns) else RATER_NAMES
    used = {column for name, kind in features.items() for column in kind.columns(name, ())}
    for name in meant:
        if name not in columns:
            other = same_but_for_spelling(name, columns)
            if other is not None and other not in used:
                raise InputError(
                    f"column '{other}': nearly '{name}', which labelppl reads; rename it to '{name}', or to something else "
                    "if it is not that"
                )


def _rows(
    frame: pd.DataFrame,
    features: Mapping[str, Feature],
    beside: Mapping[str, pd.DataFrame],
    decimal: str,
    about: Sequence[str],
) -> Rows:
    """The frame with the id of each case, and the long tables of what raters said. about: columns that say something of a case."""
    asked = {name: kind for name, kind in features.items() if isinstance(kind, ReaderFeature)}
    tables = {
        name: (f"{name} table, ", _with_clean_header(table, None)) for name, table in beside.items()
    }
    columns = list(map(str, frame.columns))
    nameless = Rows(frame, np.full(len(frame), NO_ID), decimal=decimal)
    if not asked or not is_long(columns):
        by_image = read_image_rows(nameless, about)
        if by_image is not None:
            return replace(
                nameless,
                ids=by_image.ids,
                beside=tables,
                case=by_image.row,
                answers=frozenset({IMAGE}),
            )
        ids = read_ids(nameless, named="id" in columns)
        return Rows(frame, ids, tables, decimal=decimal)
    # The main table holds a row for each statement: the cases are its different ids, in order of appearance.
    id_name = key_column(columns, "", ID_NAMES)
    case, ids = pd.factorize(as_strings(required_names(nameless, id_name)))
    tables = dict.fromkeys(asked, ("", frame)) | tables
    if id_name != "id":
        frame = frame.rename(columns={id_name: "id"})
    answers = frozenset(
        column for name, kind in asked.items() for column in kind.speaking_columns(name, columns)
    )
    names = np.asarray(ids).astype(str)
    return Rows(frame, names, tables, decimal=decimal, case=case, answers=answers)


def _with_raters(feature: Feature, raters: Sequence[str] | None, strangers: bool) -> Feature:
    """The feature with its raters fixed; strangers: whether others may speak too."""
    if raters is None or not isinstance(feature, ReaderFeature):
        return feature
    fixed = copy.copy(feature)
    fixed.raters = tuple(raters)
    fixed.strangers = strangers
    return fixed
