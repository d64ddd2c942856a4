"""`cases_from_frame`: the rows of a table as `Cases`, every cell checked against the label model's declarations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from ..arrays import Array, Floats, Ints
from ..errors import InputError
from ..features import Column, Feature, Label, ReaderFeature, Rows, VoteCounts, Votes
from ..features.cells import (
    as_text,
    clean_text,
    names_of,
    refuse_confusable,
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
    sorted_names,
)
from ..features.rows import NO_ID, filled, told
from ..split import SPLITS, LazySplit, make_split, refuse_leak
from .cases import Cases
from .files import Delimiters, open_table
from .ids import TEXT_IDS, id_type_of, read_ids

#: The true probabilities of a phantom sum to 1 but for their printed decimals.
ROUNDING = 1e-3
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
    delimiters: Delimiters | None = None,
    guess_ids: bool = False,
) -> Cases:
    """Check the frame against the declarations and return its cases.

    Args:
        frame: One row per case; named index levels count as columns. A frame with a column ``rater`` (or ``worker``) is
            a table of what raters said, with several rows per case.
        label_name: The label's column; without it no case is labelled.
        label: Its classes.
        features: The measurements by name.
        path: The table on disk; images are relative to it.
        classes: Fixes the classes of an open ``Label()``, e.g. to those of an earlier fit.
        group: The column of patients; only the default may be absent.
        seed: Makes the split, when it is first looked at, where the frame has none.
        beside: Feature name -> a long table of what raters said.
        raters: Fixes the raters of a feature, by its name.
        delimiters: How the file at ``path`` is written; text may have decimals after a comma.
        guess_ids: Ids are text that may hold numbers, as in a CSV file.

    Returns:
        The cases, in the frame's order.

    Raises:
        InputError: A column is missing, or cells cannot be read: the first ten, and how many there are.
    """
    frame = _with_clean_header(frame, path)
    columns = list(map(str, frame.columns))
    if frame.empty:
        raise InputError(f"{path or 'table'}: no rows; expected at least one case")
    if raters:
        features = {name: _fixed(kind, raters.get(name)) for name, kind in features.items()}
    _refuse_other_spelling(columns, label_name, features, group)
    delimiters = delimiters or Delimiters()
    rows = _rows(frame, features, beside or {}, delimiters.decimal)
    names = tuple(classes or label.classes or _open_classes(rows, label_name, features))
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
        groups = attempt(lambda: _groups(rows, group), None)
    images = attempt(lambda: _images(rows, path), None)
    p_true = attempt(lambda: _p_true(rows, classes), None)
    sides = attempt(lambda: _sides(rows), None)
    if refused:
        raise BadCells.joined(refused)
    if sides is not None and groups is not None:
        refuse_leak(groups, sides)
    return Cases(
        ids=rows.ids,
        classes=classes,
        labels=labels,
        columns=read,
        split=LazySplit(lambda: _made(labels, groups, seed)) if sides is None else sides,  # type: ignore[arg-type]
        images=images,
        groups=groups,
        p_true=p_true,
        path=path,
        split_given=sides is not None,
        label_given=label_name in columns,
        id_type=id_type,
        delimiters=delimiters,
    )


def _made(labels: Ints, groups: Array | None, seed: int | None) -> Array:
    if seed is None:
        raise InputError("cases: a batch of a table has no split; read the whole table")
    return make_split(labels, groups, seed)


def read_frame(path: Path, delimiters: Delimiters | None = None) -> pd.DataFrame:
    """The table at ``path`` as written: cells of a text file as text, those of Parquet with their types."""
    return open_table(path, delimiters).frame()


def tables_beside(
    path: Path, features: Mapping[str, Feature], delimiters: Delimiters | None = None
) -> dict[str, pd.DataFrame]:
    """For each feature of raters, the table ``<stem>_<feature>.csv`` or ``.parquet`` beside ``path``, if there is one."""
    tables: dict[str, pd.DataFrame] = {}
    for name, feature in features.items():
        for suffix in (".csv", ".parquet"):
            table = path.with_name(f"{path.stem}_{name}{suffix}")
            if isinstance(feature, ReaderFeature) and table.is_file() and name not in tables:
                tables[name] = read_frame(table, delimiters)
    return tables


def _with_clean_header(frame: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """The frame with its named index levels as columns, and names without outer white space, each once."""
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
) -> Rows:
    """The frame with the id of each case, and the long tables of what raters said."""
    asked = {name: kind for name, kind in features.items() if isinstance(kind, ReaderFeature)}
    tables = {
        name: (f"{name} table, ", _with_clean_header(table, None)) for name, table in beside.items()
    }
    columns = list(map(str, frame.columns))
    nameless = Rows(frame, np.full(len(frame), NO_ID), decimal=decimal)
    if not asked or not is_long(columns):
        ids = read_ids(nameless, named="id" in columns)
        return Rows(frame, ids, tables, decimal=decimal)
    # The main table holds a row for each statement: the cases are its different ids, in order of appearance.
    id_name = key_column(columns, "", ID_NAMES)
    case, ids = pd.factorize(as_strings(required_names(nameless, id_name)))
    tables = dict.fromkeys(asked, ("", frame)) | tables
    if id_name != "id":
        frame = frame.rename(columns={id_name: "id"})
    answers = frozenset(
        column for name, kind in asked.items() for column in kind.said(name, columns)
    )
    names = np.asarray(ids).astype(str)
    return Rows(frame, names, tables, decimal=decimal, case=case, answers=answers)


def _fixed(feature: Feature, raters: Sequence[str] | None) -> Feature:
    """The feature with its raters fixed."""
    if raters is None or not isinstance(feature, ReaderFeature):
        return feature
    fixed = copy.copy(feature)
    fixed.raters = tuple(raters)
    return fixed


def _open_classes(rows: Rows, label_name: str, features: Mapping[str, Feature]) -> tuple[str, ...]:
    """The classes of an open ``Label()``: those of the votes, else those of the label column."""
    for name, feature in features.items():
        if isinstance(feature, VoteCounts):
            classes = feature.classes_in(rows.frame, name)
            if len(classes) > 1:
                refuse_confusable(
                    f"columns '{name}_<class>'", classes, "rename the columns of one class alike"
                )
                return classes
            raise InputError(
                f"columns '{name}_<class>': found {len(classes)}, expected a vote column for each of two or more classes"
            )
    if label_name not in rows.about_cases:
        _refuse_absent_votes(rows, features)
    votes = _vote_cells(rows, features)
    if votes is not None:
        where, cells = votes
        classes = distinct_names(f"{where}column 'label'", cells)
        if len(classes) > 1:
            return classes
        if label_name not in rows.about_cases:
            said = f"every vote is '{classes[0]}'" if classes else "there is no vote"
            raise InputError(
                f"{where}column 'label': {said}, expected votes for two or more classes; name the classes in the model, "
                f"Label('{classes[0] if classes else 'no'}', …)"
            )
    classes = distinct_names(f"column '{label_name}'", rows.cells(label_name, label_name))
    if len(classes) < 2:
        raise InputError(f"column '{label_name}': got the classes {classes}, expected two or more")
    return classes


def _refuse_absent_votes(rows: Rows, features: Mapping[str, Feature]) -> None:
    """InputError where nothing but votes could name the classes, and there are none."""
    for name, feature in features.items():
        if isinstance(feature, Votes) and _vote_cells(rows, {name: feature}) is None:
            feature.read(rows, name, ())


def _vote_cells(rows: Rows, features: Mapping[str, Feature]) -> tuple[str, pa.Array] | None:
    """How to call the votes' table, and what was voted for, in the first feature of votes that has a table."""
    for name, feature in features.items():
        if isinstance(feature, Votes) and name in rows.beside:
            where, frame = rows.beside[name]
            cells = feature.cells_in(Rows(frame, np.full(len(frame), NO_ID), where=where))
            if cells is not None:
                return where, cells
    return None


def distinct_names(where: str, cells: pa.Array) -> tuple[str, ...]:
    """The different names of ``cells``, sorted; InputError where two could be mistaken for each other."""
    if not pa.types.is_floating(cells.type):
        written = [str(name) for name in cells.unique().to_pylist() if name is not None]
        if len({as_text(name) for name in written}) < len(written) or len(written) < MOST_CLASSES:
            refuse_confusable(where, _all_alike(written), "write one of them in every row")
    return sorted_names(names_of(cells))


#: More names than this are no classes, and comparing them all would take long.
MOST_CLASSES = 10_000


def _all_alike(names: Sequence[str]) -> list[str]:
    """Names to compare: whole numbers written as 1.0 throughout are the names 1, 2, …"""
    as_names = [as_text(name) for name in names]
    return as_names if len(set(as_names)) == len(names) else list(names)


def _groups(rows: Rows, group: str) -> Array:
    names = rows.names(group, "--group")
    empty = np.flatnonzero(~filled(names))
    if len(empty):
        rows.refuse_all(
            group,
            empty,
            told(names, empty),
            "a patient or group",
            "write one; cases alone get their own",
        )
    return as_strings(names)


def _images(rows: Rows, path: Path | None) -> tuple[Path, ...] | None:
    if "image" not in rows.frame.columns:
        return None
    base = path.parent if path is not None else Path()
    names = rows.names("image", "image")
    empty = np.flatnonzero(~filled(names))
    if len(empty):
        expected, mend = "a path relative to the table", "write it or remove the row"
        rows.refuse_all("image", empty, told(names, empty), expected, mend)
    return tuple(base / image for image in names.to_pylist())


def _p_true(rows: Rows, classes: Sequence[str]) -> Floats | None:
    names = [f"p_true_{k}" for k in classes]
    absent = [name for name in names if name not in rows.frame.columns]
    if len(absent) == len(names):
        return None
    if absent:
        raise InputError(
            f"column '{absent[0]}': not in the table, which has the true probability of other classes; add it, or remove "
            "the columns 'p_true_<class>'"
        )
    probs = np.empty((len(rows), len(names)))
    for k, name in enumerate(names):
        probs[:, k], unread = rows.numbers(name, name)
        wrong = np.flatnonzero(unread | ~((probs[:, k] >= 0) & (probs[:, k] <= 1)))
        if len(wrong):
            got = told(rows.cells(name, name), wrong)
            rows.refuse_all(name, wrong, got, "a probability, 0 to 1", "mend or remove the column")
    wrong = np.flatnonzero(np.abs(probs.sum(1) - 1) > ROUNDING)
    if len(wrong):
        totals = probs[wrong].sum(1).tolist()
        rows.refuse_all(f"{names[0]}, …", wrong, totals, "probabilities that sum to 1", "mend them")
    return probs


def _sides(rows: Rows) -> Array | None:
    """The split that the table gives."""
    if "split" not in rows.frame.columns:
        return None
    at: Ints = rows.codes("split", "split", SPLITS)
    wrong = np.flatnonzero(at < 0)
    if len(wrong):
        got = told(rows.names("split", "split"), wrong)
        rows.refuse_all("split", wrong, got, "train, val or test", "mend the cell")
    return np.array(SPLITS)[at]
