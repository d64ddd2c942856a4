"""What a student says of images, and the table that it becomes. NumPy and pandas alone, so that an ONNX file needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arrays import Array
from ..calibration.confidence import Confidence
from ..calibration.conformal import Conformal
from ..errors import InputError
from ..runs import write_atomically, write_csv
from .interval import StudentEnds

if TYPE_CHECKING:
    from pandas import DataFrame


class Spread(NamedTuple):
    """What the weights' posterior adds to a prediction.

    probs: p(Y|X) averaged over the weights, (cases, classes) float64. epistemic: (cases,) nats.
    """

    probs: Array
    epistemic: Array


class Prediction(NamedTuple):
    """ids: one per image. classes: names. probs: (cases, classes) float64, rows sum to 1.

    epistemic: (cases,) nats, or None where the student has neither a Dirichlet head nor a posterior
    of its weights. spread: what that posterior adds, or None. interval: of p(Y|X), or None where no held-out case
    measured it.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    probs: Array
    epistemic: Array | None
    spread: Spread | None = None
    interval: StudentEnds | None = None


PREDICTION_SUFFIXES = (".csv", ".parquet")


def check_table_name(path: Path) -> None:
    """Raise InputError unless predictions can be written under this name."""
    if path.suffix not in PREDICTION_SUFFIXES:
        raise InputError(
            f"{path}: expected a file name ending in {' or '.join(PREDICTION_SUFFIXES)}"
        )


def prediction_frame(
    ids: Array,
    prediction: Prediction,
    study_probs: Array | None,
    sets: Conformal | None,
    confidence: Confidence | None,
) -> DataFrame:
    """Return the columns of ``predictions.csv``, see `labelppl.students.predict.write_predictions`.

    ids: (images,), what they are called. study_probs: p (cases, classes) at the study prevalence, needed where there are sets or a confidence.
    """
    import pandas as pd

    frame = pd.DataFrame({"id": ids})
    for k, name in enumerate(prediction.classes):
        frame[f"p_{name}"] = prediction.probs[:, k]
    if prediction.spread is not None:
        for k, name in enumerate(prediction.classes):
            frame[f"laplace_{name}"] = prediction.spread.probs[:, k]
    if prediction.interval is not None:
        for k, name in enumerate(prediction.classes):
            frame[f"lo_{name}"] = prediction.interval.low[:, k]
            frame[f"hi_{name}"] = prediction.interval.high[:, k]
    if prediction.epistemic is not None:
        frame["epistemic"] = prediction.epistemic
    if sets is not None and study_probs is not None:
        names = np.array(prediction.classes, dtype=object)
        frame["set"] = ["|".join(names[row]) for row in sets.sets(study_probs)]
    if confidence is not None and study_probs is not None:
        frame["answered"] = confidence.answers(study_probs)
    return frame


def write_table(path: Path, frame: DataFrame) -> None:
    """Write predictions as CSV or Parquet, by the name's ending."""
    if path.suffix == ".parquet":
        write_atomically(path, lambda temporary: frame.to_parquet(temporary, index=False))
    else:
        write_csv(path, frame)
