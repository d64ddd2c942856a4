"""Evaluating a student on cases: predict, match the soft labels by id, measure.

The prediction uses the images alone. Labels, soft labels and the truth of a phantom only serve to
measure; a soft label is matched to its case by id, never by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..arrays import Array, Floats
from ..case_images import CaseImages
from ..errors import InputError
from ..probabilities import checked_probs
from ..table import match_ids
from .evaluate_probs import curves_of, evaluate_probs
from .metric import Metric
from .metrics import Metrics
from .threshold import OperatingPoint, ThresholdRule


class Predictor(Protocol):
    """What classifies images; `classes`, where it has them, must be those of the cases."""

    def predict_proba(self, images: Any, /) -> Any:
        """Return p(Y|X) (cases, classes) for the image files given as paths, a tuple where a case has several."""


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
    def images(self) -> Sequence[CaseImages] | None:
        """Image files (cases,), a tuple of them where a case has several; None where the table names none."""

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

    @property
    def draws(self) -> Any:
        """Draws of p(Y|Z) (draws, labels, classes), or None."""


def evaluate(
    student: Predictor,
    cases: CasesLike,
    *,
    labels: LabelsLike | None = None,
    metrics: Sequence[str | Metric] = (),
    by: Mapping[str, ArrayLike] | None = None,
    operating_point: ThresholdRule | str | None = None,
    positive: str | None = None,
    validation: CasesLike | None = None,
    prevalence: Mapping[str, float] | None = None,
    top: int | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Metrics:
    """Return the metrics of a student on cases, with its predictions and curves.

    Args:
        student: Whatever has `predict_proba(paths) -> (cases, classes)`.
        cases: Cases with images; their labels and the truth of a phantom only serve to measure.
        labels: Soft labels, matched by id; with draws, metrics get a posterior over them.
        metrics: Records of your own, and keys of metrics that are computed only on request.
        by: Columns by which subgroups are formed: name -> values `(cases,)`.
        operating_point: How the threshold is chosen, such as `sensitivity=0.9` (on `validation`),
            `costs=1:10` or `threshold=0.3`; None, with two classes: a threshold of ½.
        positive: The class that is called; None: the second of two.
        validation: Cases that neither trained nor test the student.
        prevalence: Share of every class where the student is used: costs, PPV and NPV hold there.
        top: The k of top-k accuracy.
        n_boot: Bootstrap replicates, 0 = no intervals.
        seed: One seed gives one result.

    Returns:
        `Metrics`; `.save(run_folder)` writes `metrics.json`, `predictions.parquet` and `curves.csv`.

    Raises:
        InputError: The cases have no images, the student has other classes, its predictions are not
            one probability vector per case, or a threshold cannot be chosen.

    Examples:
        >>> class Coin:
        ...     def predict_proba(self, images):
        ...         return np.full((len(images), 2), 0.5)
        >>> from pathlib import Path
        >>> from labelppl.table import Cases
        >>> cases = Cases(ids=np.array(["a", "b"]), classes=("well", "ill"), labels=np.array([0, 1]), columns={},
        ...               split=np.array(["test", "test"]), images=(Path("a.png"), Path("b.png")))
        >>> round(evaluate(Coin(), cases).nll, 4)
        0.6931
    """
    classes = tuple(cases.classes)
    probs = predict_cases(student, cases)
    hard = np.asarray(cases.labels)
    shares = None if prevalence is None else tuple(float(prevalence[name]) for name in classes)
    point = None
    if operating_point is not None or (shares is not None and len(classes) == 2):
        point = _point(
            ThresholdRule.read(operating_point or "threshold=0.5")
            if not isinstance(operating_point, ThresholdRule)
            else operating_point,
            student,
            classes,
            positive,
            validation,
            shares,
            hard,
        )
    drawn = None if labels is None else labels.draws
    evaluated = evaluate_probs(
        probs,
        hard,
        classes=classes,
        soft=None
        if labels is None
        else _matched(labels.probs, labels.ids, cases.ids, len(classes)),
        draws=None
        if labels is None or drawn is None
        else np.stack([_matched(draw, labels.ids, cases.ids, len(classes)) for draw in drawn]),
        p_true=cases.p_true,
        groups=cases.groups,
        metrics=metrics,
        by=by,
        point=point,
        top=top,
        n_boot=n_boot,
        seed=seed,
    )
    return evaluated.with_tables(
        predictions_frame(cases.ids, probs, hard, classes),
        curves_of(probs, hard, cases.groups, classes, point=point, seed=seed),
    )


def predict_cases(student: Predictor, cases: CasesLike) -> Floats:
    """Return p(Y|X) of the cases (cases, classes), checked against their classes."""
    classes = tuple(cases.classes)
    if cases.images is None:
        raise InputError(
            "cases: no column 'image', expected the path of an image per case; add it to the table"
        )
    if len(cases.images) == 0:
        raise InputError("cases: got none to evaluate on, expected at least one; check the split")
    # A predictor of the user's own need not name its classes.
    named = getattr(student, "classes", None)
    if named is not None and tuple(named) != classes:
        raise InputError(
            f"student: predicts {', '.join(named)}; the cases have {', '.join(classes)}; evaluate "
            "on a table of the same label model"
        )
    probs = checked_probs(student.predict_proba(tuple(cases.images)), "predictions")
    if probs.shape != (len(cases.images), len(classes)):
        raise InputError(
            f"predictions: got shape {probs.shape}, expected ({len(cases.images)}, {len(classes)})"
        )
    return probs


def _point(
    rule: ThresholdRule,
    student: Predictor,
    classes: tuple[str, ...],
    positive: str | None,
    validation: CasesLike | None,
    shares: tuple[float, ...] | None,
    labels: Array,
) -> OperatingPoint:
    """The operating point of the positive class, chosen on validation cases where it needs some."""
    if positive is None and len(classes) > 2:
        raise InputError(
            f"operating point: {len(classes)} classes, expected the name of the one that is called; "
            f"give --positive with one of {', '.join(classes)}"
        )
    if positive is not None and positive not in classes:
        raise InputError(f"positive: got {positive!r}, expected one of {', '.join(classes)}")
    k = 1 if positive is None else classes.index(positive)
    probs = codes = None
    if rule.kind == "sensitivity" and validation is not None and len(validation.labels):
        probs, codes = predict_cases(student, validation), np.asarray(validation.labels)
    known = labels[labels >= 0]
    return rule.choose(
        k,
        probs,
        codes,
        prevalence=None if shares is None else shares[k],
        study=float((known == k).mean()) if len(known) else None,
    )


def predictions_frame(
    ids: Sequence[Any], probs: Floats, labels: Array, classes: Sequence[str]
) -> pd.DataFrame:
    """Return the table of `predictions.parquet`: id, p_<class> per class, label.

    `label` is the given class name, or null for an unlabelled case.
    """
    frame = pd.DataFrame({"id": np.asarray(ids).astype(str)})
    for k, name in enumerate(classes):
        frame[f"p_{name}"] = probs[:, k]
    frame["label"] = pd.Series([classes[k] if k >= 0 else None for k in labels], dtype="str")
    return frame


def _matched(values: Any, of: Any, ids: Any, classes: int) -> Floats:
    """Soft labels in the order of `ids` (cases, classes); NaN where a case has none."""
    probs = np.asarray(values, dtype=np.float64)
    if probs.ndim != 2 or probs.shape[1] != classes:
        raise InputError(
            f"labels: got probabilities of shape {probs.shape}, expected {classes} classes"
        )
    at = match_ids(ids, of)
    return np.where((at >= 0)[:, None], probs[at], np.nan)
