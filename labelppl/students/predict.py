"""`write_predictions`: a run folder and image files in, a table of probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..errors import InputError
from ..prevalence import read_prevalence
from ..runs import write_atomically
from .options import StudentLike
from .student import load_student


def write_predictions(
    run: Path,
    images: Sequence[Path],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None = None,
    device: str = "auto",
    network: StudentLike | None = None,
) -> pd.DataFrame:
    """Classify ``images`` with the student in ``run`` and write ``out`` (CSV or Parquet).

    Columns: ``id`` (the image's path as given), ``p_<class>``, and ``epistemic`` (nats) where the student has it. A
    student with a posterior of its last layer's weights adds ``laplace_<class>``, p(Y|X) averaged over that posterior,
    and ``lo_<class>``, ``hi_<class>``, its 90 % interval. prevalence: where it is used, class -> probability. network:
    of a student of the user's own. Raises InputError for a missing student or an unreadable image.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"{out}: expected a file name ending in .csv or .parquet")
    student = load_student(run, device=device, network=network)
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
    if out.suffix == ".parquet":
        write_atomically(out, lambda temporary: frame.to_parquet(temporary, index=False))
    else:
        write_atomically(out, lambda temporary: frame.to_csv(temporary, index=False))
    return frame
