"""`write_predictions`: a run folder and image files in, a table of probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..case_images import CaseImages, paths_of
from ..prevalence import read_prevalence
from .load import load_student
from .options import StudentLike
from .prediction import check_table_name, prediction_frame, write_table

if TYPE_CHECKING:
    from pandas import DataFrame


def write_predictions(
    run: Path,
    images: Sequence[CaseImages],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None = None,
    raw: bool = False,
    device: str = "auto",
    network: StudentLike | None = None,
    ids: Array | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DataFrame:
    """Classify cases by their ``images`` with the student in ``run`` and write ``out`` (CSV or Parquet).

    Columns: ``id`` (of `ids`, else the image's path as given), ``p_<class>``, and ``epistemic`` (nats) where the student has it. A
    student with a posterior of its last layer's weights adds ``laplace_<class>``, p(Y|X) averaged over that posterior, and
    one whose interval was measured on held-out cases ``lo_<class>``, ``hi_<class>``, a 90 % interval of p(Y|X). What ``labelppl recalibrate`` put in force adds ``set`` (the
    classes of the prediction set, joined by |) and ``answered``; both are at the study prevalence. prevalence: where it
    is used, class -> probability. network: of a student of the user's own. raw: nothing in force but its softmax. progress: told how many
    images are done, of how many. Raises
    InputError for a missing student or an unreadable image.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_table_name(out)
    student = at_study = load_student(run, device=device, network=network, raw=raw)
    if prevalence is not None:
        student = student.at(read_prevalence(prevalence, student.classes))
    prediction = student.predict(images, progress=progress)
    sets, confidence = student.in_force.sets, student.in_force.confidence
    study = None
    if sets is not None or confidence is not None:
        study = prediction.probs if student is at_study else at_study.predict_proba(images)
    names = np.array([str(paths_of(image)[0]) for image in images]) if ids is None else ids
    frame = prediction_frame(names, prediction, study, sets, confidence)
    write_table(out, frame)
    return frame
