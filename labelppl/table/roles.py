"""Columns with a meaning of their own: patients, pictures, the truth of phantoms, the split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arrays import Array, Floats, Ints
from ..errors import InputError
from ..features import Rows
from ..features.cells import refuse_confusable
from ..features.readers import as_strings
from ..features.rows import first_values, is_filled
from ..split import SPLITS

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


def image_paths(rows: Rows, path: Path | None) -> tuple[Path, ...] | None:
    if "image" not in rows.frame.columns:
        return None
    base = path.parent if path is not None else Path()
    names = rows.names("image", "image")
    empty = np.flatnonzero(~is_filled(names))
    if len(empty):
        expected, mend = "a path relative to the table", "write it or remove the row"
        rows.refuse_all("image", empty, first_values(names, empty), expected, mend)
    return tuple(base / image for image in names.to_pylist())


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
