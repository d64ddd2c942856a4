"""`write_predictions`: a run folder and image files in, a table of probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..arrays import Array
from ..errors import InputError
from ..prevalence import read_prevalence
from ..runs import write_atomically, write_csv
from .options import StudentLike
from .student import Student, load_student


def write_predictions(
    run: Path,
    images: Sequence[Path],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None = None,
    raw: bool = False,
    device: str = "auto",
    network: StudentLike | None = None,
) -> pd.DataFrame:
    """Classify ``images`` with the student in ``run`` and write ``out`` (CSV or Parquet).

    Columns: ``id`` (the image's path as given), ``p_<class>``, and ``epistemic`` (nats) where the student has it. A
    student with a posterior of its last layer's weights adds ``laplace_<class>``, p(Y|X) averaged over that posterior,
    and ``lo_<class>``, ``hi_<class>``, its 90 % interval. What ``labelppl recalibrate`` put in force adds ``set`` (the
    classes of the prediction set, joined by |) and ``answered``; both are at the study prevalence. prevalence: where it
    is used, class -> probability. network: of a student of the user's own. raw: nothing in force but its softmax. Raises
    InputError for a missing student or an unreadable image.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"{out}: expected a file name ending in .csv or .parquet")
    student = at_study = load_student(run, device=device, network=network, raw=raw)
    if prevalence is not None:
        student = student.at(read_prevalence(prevalence, student.classes))
    prediction = student.predict(images)
    frame = pd.DataFrame({"id": [str(image) for image in images]})
    for k, name in enumerate(prediction.classes):
        frame[f"p_{name}"] = prediction.probs[:, k]
    if prediction.spread is not None:
        for k, name in enumerate(prediction.classes):
            frame[f"laplace_{name}"] = prediction.spread.probs[:, k]
            frame[f"lo_{name}"] = prediction.spread.low[:, k]
            frame[f"hi_{name}"] = prediction.spread.high[:, k]
    if prediction.epistemic is not None:
        frame["epistemic"] = prediction.epistemic
    _add_in_force(frame, at_study, prediction.probs if student is at_study else None, images)
    if out.suffix == ".parquet":
        write_atomically(out, lambda temporary: frame.to_parquet(temporary, index=False))
    else:
        write_csv(out, frame)
    return frame


def _add_in_force(
    frame: pd.DataFrame, student: Student, probs: Array | None, images: Sequence[Path]
) -> None:
    """Add `set` and `answered` where `labelppl recalibrate` chose them; probs at the study prevalence, or None."""
    sets, confidence = student.in_force.sets, student.in_force.confidence
    if sets is None and confidence is None:
        return
    study = student.predict_proba(images) if probs is None else probs
    if sets is not None:
        names = np.array(student.classes, dtype=object)
        frame["set"] = ["|".join(names[row]) for row in sets.sets(study)]
    if confidence is not None:
        frame["answered"] = confidence.answered(study)
