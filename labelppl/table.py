"""Reading a cases table: one row per case, checked against the label model's declarations.

The table (CSV or Parquet) has the feature columns by name, the label column, and optionally ``id``, ``image`` (path
relative to the table), ``group`` (patient) and ``split`` (train, val, test). Phantoms also carry ``p_true_<class>``,
which evaluation alone uses. What raters said about the cases (`features.readers`) comes as a long table, which is this one
or lies beside it. Without ``split``, 30 % of the groups become the test split, stratified, by seed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from .arrays import Array
from .errors import InputError
from .features import Column, Feature, Label, ReaderFeature, Rows, VoteCounts, Votes
from .features.codes import EMPTY, as_text, read_codes
from .features.readers import is_long, one_row_per_case, sorted_names
from .split import SPLITS, make_split, refuse_leak


@dataclass(frozen=True)
class Cases:
    """n cases as the label model and the trainer see them; every array has the cases along its first axis.

    columns: the features, each a `Column`. labels: (cases,) int64, -1 where unlabelled.
    images: paths, or None without an image column. groups: (cases,) patient, or None. p_true: (cases, classes) or None.
    path: the table on disk, or None when read from a frame. split_given: the table had a split column.
    """

    ids: Array
    classes: tuple[str, ...]
    labels: Array
    columns: Mapping[str, Column]
    split: Array
    images: tuple[Path, ...] | None = None
    groups: Array | None = None
    p_true: Array | None = None
    path: Path | None = None
    split_given: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Array | Sequence[int]) -> Cases:
        """The cases ``index`` (integers or a mask), in that order."""
        rows = np.asarray(index)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        at = torch.from_numpy(rows)
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels[rows],
            columns={name: column.take(at) for name, column in self.columns.items()},
            split=self.split[rows],
            images=None if self.images is None else tuple(self.images[i] for i in rows),
            groups=None if self.groups is None else self.groups[rows],
            p_true=None if self.p_true is None else self.p_true[rows],
        )

    @property
    def train(self) -> Cases:
        """The cases of the training split."""
        return self.take(self.split == "train")

    @property
    def val(self) -> Cases:
        """The cases of the validation split; may be empty."""
        return self.take(self.split == "val")

    @property
    def test(self) -> Cases:
        """The cases of the test split."""
        return self.take(self.split == "test")

    @property
    def labelled(self) -> Array:
        """(cases,) True where the label is known."""
        return self.labels >= 0


def read_frame(path: Path) -> pd.DataFrame:
    """The table as written: CSV cells as text, Parquet cells with their types."""
    if not path.is_file():
        raise InputError(f"{path}: no such table; expected a CSV or Parquet file; give --data FILE")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        _refuse_repeated(path, pd.read_csv(path, dtype=str, header=None, nrows=1).iloc[0])
        # Only these mean an empty cell: "None" or "null" may be the name of a class.
        return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=list(EMPTY))
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable table ({str(error).splitlines()[0]})") from error


def _refuse_repeated(path: Path | None, names: pd.Series[Any] | pd.Index[Any]) -> None:
    """Two columns of one name: pandas would rename the second and read the first."""
    again = names[names.duplicated()]
    if len(again):
        where = f"{path}: " if path else ""
        raise InputError(
            f"{where}column '{next(iter(again))}': appears twice; rename or remove one"
        )


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
) -> Cases:
    """Check the frame against the declarations and return its cases; InputError for the first bad cell.

    classes fixes the classes of an open ``Label()``, e.g. to those of an earlier fit; raters likewise those of a feature,
    by its name. group: the column of patients; only the default may be absent. beside: feature name -> a long table of
    what raters said; without it, a frame with a column ``rater`` is itself such a table and has several rows per case.
    """
    if frame.empty:
        raise InputError(f"{path or 'table'}: no rows; expected at least one case")
    _refuse_repeated(path, frame.columns)
    rows = _rows(frame, features, beside or {})
    frame, ids = rows.frame, rows.ids
    if raters:
        features = {name: _fixed(kind, raters.get(name)) for name, kind in features.items()}
    names = tuple(classes or label.classes or _open_classes(rows, label_name, features))
    labels = np.full(len(frame), -1, dtype=np.int64)
    if label_name in frame.columns:
        labels = read_codes(
            rows, label_name, names, "mend the cell or the classes in the model file"
        )
    columns = {name: feature.read(rows, name, names) for name, feature in features.items()}
    groups = None
    if group in frame.columns or group != "group":
        cells = rows.column(group, "--group")
        for row in np.flatnonzero(cells.isna()):
            rows.refuse(
                group, int(row), None, "a patient or group", "write one; cases alone get their own"
            )
        groups = cells.to_numpy(dtype=object).astype(str)
    return Cases(
        ids=ids,
        classes=names,
        labels=labels,
        columns=columns,
        split=_split(rows, labels, groups, seed),
        images=_images(rows, path),
        groups=groups,
        p_true=_p_true(rows, names),
        path=path,
        split_given="split" in frame.columns,
    )


def _rows(
    frame: pd.DataFrame, features: Mapping[str, Feature], beside: Mapping[str, pd.DataFrame]
) -> Rows:
    """The frame with one row per case, and the long tables of what raters said."""
    said = {name: kind for name, kind in features.items() if isinstance(kind, ReaderFeature)}
    tables = {name: (f"{name} table, ", table) for name, table in beside.items()}
    if not said or not is_long(frame):
        return Rows(frame, _ids(frame), tables)
    cases, differing = one_row_per_case(frame, said)
    tables = dict.fromkeys(said, ("", frame)) | tables
    return Rows(cases, _ids(cases), tables, differing)


def _fixed(feature: Feature, raters: Sequence[str] | None) -> Feature:
    """The feature with its raters fixed."""
    if raters is None or not isinstance(feature, ReaderFeature):
        return feature
    fixed = copy.copy(feature)
    fixed.raters = tuple(raters)
    return fixed


def tables_beside(path: Path, features: Mapping[str, Feature]) -> dict[str, pd.DataFrame]:
    """For each feature of raters, the table ``<stem>_<feature>.csv`` or ``.parquet`` beside ``path``, if there is one."""
    found = {}
    for name, feature in features.items():
        for suffix in (".csv", ".parquet"):
            table = path.with_name(f"{path.stem}_{name}{suffix}")
            if isinstance(feature, ReaderFeature) and table.is_file() and name not in found:
                found[name] = read_frame(table)
    return found


def _ids(frame: pd.DataFrame) -> Array:
    if "id" not in frame.columns:
        return np.array([str(i) for i in range(len(frame))])
    if frame["id"].isna().any():
        row = int(np.flatnonzero(frame["id"].isna())[0])
        raise InputError(
            f"column 'id', row {row + 1}: got an empty cell, expected a name; write one"
        )
    ids = frame["id"].astype(str)
    again = ids.duplicated()
    if again.any():
        row = int(np.flatnonzero(again)[0])
        first = int(np.flatnonzero(ids == ids.iloc[row])[0])
        raise InputError(
            f"column 'id', row {row + 1}: got '{ids.iloc[row]}', which row {first + 1} has too, "
            "expected ids that differ; remove or rename one (repeated patients belong in 'group')"
        )
    return ids.to_numpy(dtype=str)


def _open_classes(rows: Rows, label_name: str, features: Mapping[str, Feature]) -> tuple[str, ...]:
    for name, feature in features.items():
        if isinstance(feature, VoteCounts):
            classes = feature.classes_in(rows.frame, name)
            if len(classes) > 1:
                return classes
            raise InputError(
                f"columns '{name}_<class>': found {len(classes)}, expected a vote column for each of two or more classes"
            )
        if isinstance(feature, Votes) and name in rows.beside:
            classes = feature.classes_in(rows.beside[name][1])
            if len(classes) > 1:
                return classes
    classes = sorted_names(rows.column(label_name, label_name).map(as_text, na_action="ignore"))
    if len(classes) < 2:
        raise InputError(f"column '{label_name}': got the classes {classes}, expected two or more")
    return classes


def _images(rows: Rows, path: Path | None) -> tuple[Path, ...] | None:
    if "image" not in rows.frame.columns:
        return None
    base = path.parent if path is not None else Path()
    for row in np.flatnonzero(rows.frame["image"].isna()):
        rows.refuse(
            "image", int(row), None, "a path relative to the table", "write it or remove the row"
        )
    return tuple(base / str(image) for image in rows.frame["image"])


def _p_true(rows: Rows, classes: Sequence[str]) -> Array | None:
    names = [f"p_true_{k}" for k in classes]
    if not all(name in rows.frame.columns for name in names):
        return None
    read = []
    for name in names:
        numbers = pd.to_numeric(rows.frame[name], errors="coerce").to_numpy(
            np.float64, na_value=np.nan
        )
        for row in np.flatnonzero(~((numbers >= 0) & (numbers <= 1))):
            cell = rows.frame[name].iloc[row]
            rows.refuse(name, int(row), cell, "a probability, 0 to 1", "mend or remove the column")
        read.append(numbers)
    probs: Array = np.stack(read, 1)
    for row in np.flatnonzero(np.abs(probs.sum(1) - 1) > 1e-3):
        total = float(probs[row].sum())
        rows.refuse(f"{names[0]}, …", int(row), total, "probabilities that sum to 1", "mend them")
    return probs


def _split(rows: Rows, labels: Array, groups: Array | None, seed: int) -> Array:
    if "split" in rows.frame.columns:
        cells = rows.frame["split"]
        for row in np.flatnonzero(~cells.isin(SPLITS)):
            rows.refuse("split", int(row), cells.iloc[row], "train, val or test", "mend the cell")
        if groups is not None:
            refuse_leak(groups, cells.to_numpy(dtype=str))
        return cells.to_numpy(dtype=str)
    return make_split(labels, groups, seed)
