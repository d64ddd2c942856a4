"""Evaluating a student on cases: predict, match the soft labels by id, measure.

The prediction uses the images alone. Labels, soft labels and the truth of a phantom only serve to
measure; a soft label is matched to its case by id, never by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs
from ..table import match_ids
from .evaluate_probs import evaluate_probs
from .metrics import Metrics


class Predictor(Protocol):
    """What classifies images; `classes`, where it has them, must be those of the cases."""

    def predict_proba(self, images: Any, /) -> Any:
        """Return p(Y|X) (cases, classes) for the image files given as paths."""


class CasesLike(Protocol):
    """The parts of a cases table that evaluation reads; arrays have the cases first."""

    @property
    def ids(self) -> Any:
        """Ids (cases,)."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of every (cases, classes) array."""

    @property
    def labels(self) -> Any:
        """Class codes (cases,), -1 = unlabelled."""

    @property
    def images(self) -> Sequence[Path] | None:
        """Image files (cases,), or None where the table names none."""

    @property
    def groups(self) -> Any:
        """Group names (cases,), or None."""

    @property
    def p_true(self) -> Any:
        """True p(Y|X) (cases, classes) of a phantom, or None."""


class LabelsLike(Protocol):
    """Soft labels: ids (labels,) and probs (labels, classes)."""

    @property
    def ids(self) -> Any:
        """Ids (labels,)."""

    @property
    def probs(self) -> Any:
        """Soft labels (labels, classes), in the class order of the cases."""


def evaluate(
    student: Predictor,
    cases: CasesLike,
    *,
    labels: LabelsLike | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Metrics:
    """Return the metrics of `student` on `cases`, with the predictions in `.predictions`.

    `labels` adds kl for the cases that have a soft label. `.save(run_folder)` writes
    `metrics.json` and `predictions.parquet`. Raises InputError for cases without images, a student
    of other classes, or predictions that are not one probability vector per case.
    """
    classes = tuple(cases.classes)
    if cases.images is None:
        raise InputError(
            "cases: no column 'image', expected the path of an image per case; add it to the table"
        )
    if len(cases.images) == 0:
        raise InputError("cases: got none to evaluate on, expected at least one; check the split")
    known = getattr(student, "classes", None)
    if known is not None and tuple(known) != classes:
        raise InputError(
            f"student: predicts {', '.join(known)}; the cases have {', '.join(classes)}; evaluate "
            "on a table of the same label model"
        )
    probs = checked_probs(student.predict_proba(tuple(cases.images)), "predictions")
    if probs.shape != (len(cases.images), len(classes)):
        raise InputError(
            f"predictions: got shape {probs.shape}, expected ({len(cases.images)}, {len(classes)})"
        )
    hard = np.asarray(cases.labels)
    metrics = evaluate_probs(
        probs,
        hard,
        classes=classes,
        soft=None if labels is None else _matched(labels, cases.ids, len(classes)),
        p_true=cases.p_true,
        groups=cases.groups,
        n_boot=n_boot,
        seed=seed,
    )
    return metrics.with_predictions(predictions_frame(cases.ids, probs, hard, classes))


def predictions_frame(
    ids: Sequence[Any], probs: Floats, labels: np.ndarray[Any, Any], classes: Sequence[str]
) -> pd.DataFrame:
    """Return the table of `predictions.parquet`: id, p_<class> per class, label.

    `label` is the given class name, or null for an unlabelled case.
    """
    frame = pd.DataFrame({"id": np.asarray(ids).astype(str)})
    for k, name in enumerate(classes):
        frame[f"p_{name}"] = probs[:, k]
    frame["label"] = pd.Series([classes[k] if k >= 0 else None for k in labels], dtype="str")
    return frame


def _matched(labels: LabelsLike, ids: Any, classes: int) -> Floats:
    """Soft labels in the order of `ids` (cases, classes); NaN where a case has none."""
    probs = np.asarray(labels.probs, dtype=np.float64)
    if probs.ndim != 2 or probs.shape[1] != classes:
        raise InputError(
            f"labels: got probabilities of shape {probs.shape}, expected {classes} classes"
        )
    at = match_ids(ids, labels.ids)
    return np.where((at >= 0)[:, None], probs[at], np.nan)
