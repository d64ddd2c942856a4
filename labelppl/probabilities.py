"""Reading the two arrays every metric takes: predicted probabilities and labels.

Nothing is repaired here: a row that is not a probability vector is an error that names the row,
because a metric of silently renormalised predictions describes another classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Floats, Ints
from .errors import InputError

SUM_TOLERANCE = 1e-4
"""Float32 softmax rows of a thousand classes stay far inside; a row of logits does not."""

FLOOR = 1e-12
"""The smallest probability inside a logarithm: one case at 0 costs 27.6 nats, and no other case changes."""


def checked_probs(probs: ArrayLike, name: str = "probs") -> Floats:
    """Return `probs` as float64 (cases, classes).

    Raises InputError when the shape is not (cases, classes >= 2), an entry is not a number in
    [0, 1], or a row does not sum to 1 within `SUM_TOLERANCE`.
    """
    array = np.asarray(probs, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(
            f"{name}: got shape {array.shape}, expected (cases, classes) with at least 2 classes; "
            "for one sigmoid output p pass np.column_stack([1 - p, p])"
        )
    if array.shape[0] == 0:
        raise InputError(f"{name}: got 0 cases, expected at least 1; nothing can be measured")
    bad = ~(np.isfinite(array) & (array >= 0.0) & (array <= 1.0))
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name}, row {row}, class {column}: got {array[row, column]:g}, expected a "
            "probability in [0, 1]; apply a softmax to logits first"
        )
    total = array.sum(axis=1)
    off = np.abs(total - 1.0) > SUM_TOLERANCE
    if off.any():
        row = int(np.flatnonzero(off)[0])
        raise InputError(
            f"{name}, row {row}: got probabilities that sum to {total[row]:.6g}, expected 1; "
            "normalise the row"
        )
    return array


def checked_labels(labels: ArrayLike, cases: int, classes: int) -> Ints:
    """Return `labels` as int64 (cases,), values 0 … classes - 1, or -1 for an unlabelled case.

    Raises InputError for another shape, a float array, or a value outside that range.
    """
    array = np.asarray(labels)
    if array.shape != (cases,):
        raise InputError(
            f"labels: got shape {array.shape}, expected ({cases},): one label per row of probs"
        )
    if array.dtype.kind not in "iu":
        raise InputError(
            f"labels: got dtype {array.dtype}, expected integers (class codes, -1 = unlabelled); "
            "map class names to their position in `classes`"
        )
    result = array.astype(np.int64)
    bad = (result < -1) | (result >= classes)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"labels, row {row}: got {result[row]}, expected 0 to {classes - 1} or -1 for "
            "unlabelled; check the order of the classes"
        )
    return result


def hard_pair(probs: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ints]:
    """Return (probs, labels) of a metric that needs a hard label for every case.

    Raises InputError as `checked_probs` and `checked_labels` do, and for an unlabelled case.
    """
    p = checked_probs(probs)
    y = checked_labels(labels, *p.shape)
    if (y < 0).any():
        row = int(np.flatnonzero(y < 0)[0])
        raise InputError(
            f"labels, row {row}: got -1 (unlabelled), expected a class for every case; "
            "pass the labelled cases only (evaluate_probs does so by itself)"
        )
    return p, y


def checked_classes(classes: Sequence[str], columns: int) -> tuple[str, ...]:
    """Return the class names; raises InputError unless there is one distinct name per column."""
    names = tuple(classes)
    if len(names) != columns or len(set(names)) != len(names):
        raise InputError(
            f"classes: got {list(names)}, expected {columns} distinct names, one per column of "
            "probs"
        )
    return names
