"""The classes of an open ``Label()``: those that the votes or the label column name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ..errors import InputError
from ..features import Feature, Rows, VoteCounts, Votes
from ..features.cells import as_text, names_of, refuse_confusable
from ..features.readers import sorted_names
from ..features.rows import NO_ID

#: More names than this are no classes, and comparing them all would take long.
MOST_CLASSES = 10_000


def open_classes(rows: Rows, label_name: str, features: Mapping[str, Feature]) -> tuple[str, ...]:
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


def _all_alike(names: Sequence[str]) -> list[str]:
    """Names to compare: whole numbers written as 1.0 throughout are the names 1, 2, …"""
    as_names = [as_text(name) for name in names]
    return as_names if len(set(as_names)) == len(names) else list(names)
