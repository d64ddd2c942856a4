"""Columns with a meaning of their own: patients, pictures, the truth of phantoms, the split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arrays import Array, Floats, Ints
from ..case_images import CaseImages
from ..errors import InputError
from ..features import Rows
from ..features.cells import refuse_confusable
from ..features.readers import as_strings
from ..features.rows import first_values, is_filled
from ..split import SPLITS

IMAGE = "image"
#: Stands between the paths of a cell that names several images.
BETWEEN_IMAGES = "|"
#: The true probabilities of a phantom sum to 1 but for their printed decimals.
TRUTH_ROUNDING = 1e-3


def group_names(rows: Rows, group: str) -> Array:
    names = rows.names(group, "--group")
    empty = np.flatnonzero(~is_filled(names))
    if len(empty):
        rows.refuse_all(
            group,
            empty,
            first_values(names, empty),
            "a patient or group",
            "write one; cases alone get their own",
        )
    refuse_confusable(
        f"column '{group}'", names.unique().to_pylist(), "write one of them where it is one patient"
    )
    return as_strings(names)


def image_paths(rows: Rows, path: Path | None) -> tuple[CaseImages, ...] | None:
    """The image files of each case: of its cell, which may name several, or of its rows where it has several rows."""
    if IMAGE not in rows.frame.columns:
        return None
    base = path.parent if path is not None else Path()
    each = rows if IMAGE in rows.about_cases else rows.every_row()
    names = each.names(IMAGE, IMAGE)
    expected, mend = "a path relative to the table", "write it or remove the row"
    empty = np.flatnonzero(~is_filled(names))
    if len(empty):
        each.refuse_all(IMAGE, empty, first_values(names, empty), expected, mend)
    cells = [[part.strip() for part in cell.split(BETWEEN_IMAGES)] for cell in names.to_pylist()]
    empty = np.flatnonzero([not all(parts) for parts in cells])
    if len(empty):
        each.refuse_all(IMAGE, empty, first_values(names, empty), expected, mend)
    images: list[tuple[Path, ...]] = [()] * len(rows)
    places = range(len(rows)) if each is rows or rows.case is None else rows.case.tolist()
    for at, parts in zip(places, cells, strict=True):
        images[at] += tuple(base / part for part in parts)
    again = np.flatnonzero([len(set(some)) < len(some) for some in images])
    if len(again):
        got = [_first_repeated(images[i]) for i in again]
        rows.refuse_all(IMAGE, again, got, "each image of a case once", "remove one of them")
    return tuple(some[0] if len(some) == 1 else some for some in images)


def _first_repeated(images: tuple[Path, ...]) -> str:
    return str(next(path for at, path in enumerate(images) if path in images[:at]))


def true_probabilities(rows: Rows, classes: Sequence[str]) -> Floats | None:
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
            got = first_values(rows.cells(name, name), wrong)
            rows.refuse_all(name, wrong, got, "a probability, 0 to 1", "mend or remove the column")
    wrong = np.flatnonzero(np.abs(probs.sum(1) - 1) > TRUTH_ROUNDING)
    if len(wrong):
        totals = probs[wrong].sum(1).tolist()
        rows.refuse_all(f"{names[0]}, …", wrong, totals, "probabilities that sum to 1", "mend them")
    return probs


def own_split(rows: Rows) -> Array | None:
    """The split that the table gives."""
    if "split" not in rows.frame.columns:
        return None
    at: Ints = rows.codes("split", "split", SPLITS)
    wrong = np.flatnonzero(at < 0)
    if len(wrong):
        got = first_values(rows.names("split", "split"), wrong)
        rows.refuse_all("split", wrong, got, "train, val or test", "mend the cell")
    return np.array(SPLITS)[at]
