"""Reading the run folder: whatever is there, and the reason for whatever is not.

A report is made from the files alone, so that it can be written again at any time and for runs that
stopped half-way. A missing file leaves its section with a sentence; a file that is there but cannot
be read is an error, since a report that left it out would hide it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..comparison import Comparison
from ..errors import InputError
from ..metrics.curves import read_curves
from ..metrics.metrics import Metrics
from ..softlabels.explanations import Explanations

MADE_BY = {
    "run.json": "labelppl fit or distill",
    "labels.parquet": "labelppl label",
    "metrics.json": "labelppl evaluate",
    "predictions.parquet": "labelppl evaluate",
    "posterior.nc": "labelppl fit",
    "student.json": "labelppl distill",
    "curve.csv": "labelppl distill",
}
"""The files a report reads, and the command that writes each."""


COMPARED = "compare.json"
PAGE_SOURCES = (
    "explain.parquet",
    "audit.csv",
    "duplicates.csv",
    "curves.csv",
    "check.json",
    "sbc.json",
    "coverage.json",
    COMPARED,
)
"""What else a report reads where it is there."""
EMBEDDING = "embedding.parquet"
"""Where `labelppl report` keeps the places of images as the student sees them."""


@dataclass(frozen=True, eq=False)
class RunFiles:
    """The contents of a run folder; None (an empty dict for JSON) where a file is missing.

    `labels`, `predictions`, `curve` (of the training) and `curves` (of the evaluation) are the tables as written; `posterior` is a path; `embedding` holds id, x and y.
    """

    folder: Path
    classes: tuple[str, ...]
    run: dict[str, Any]
    student: dict[str, Any]
    metrics: Metrics | None
    labels: pd.DataFrame | None
    predictions: pd.DataFrame | None
    curve: pd.DataFrame | None
    curves: pd.DataFrame | None
    posterior: Path | None
    explanations: Explanations | None
    embedding: pd.DataFrame | None
    comparison: Comparison | None
    missing: tuple[str, ...]

    @property
    def cohort(self) -> pd.DataFrame | None:
        """Counts of cases, labels and missing cells by split."""
        return None if self.explanations is None else self.explanations.cohort

    def why_missing(self, name: str) -> str:
        """Return the sentence that stands in for a section without its file."""
        return f"{name} is not in this run folder; {MADE_BY[name]} writes it."


def missing_files(folder: Path) -> tuple[str, ...]:
    """Those of `MADE_BY` that are not there. Raises InputError where the folder is missing or holds nothing of a run."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected a run folder; give --run DIR")
    missing = tuple(name for name in MADE_BY if not (folder / name).is_file())
    if len(missing) == len(MADE_BY) and not (folder / COMPARED).is_file():
        raise InputError(
            f"{folder}: holds none of {', '.join(MADE_BY)}; expected a run folder; run labelppl "
            "distill first"
        )
    return missing


def read_run(folder: Path) -> RunFiles:
    """Read every file of the run folder that a report uses.

    Raises InputError where the folder is missing, holds none of the files, or holds one that
    cannot be read.
    """
    missing = missing_files(folder)
    run, student = _json(folder / "run.json"), _json(folder / "student.json")
    metrics = None if "metrics.json" in missing else Metrics.load(folder / "metrics.json")
    labels = _parquet(folder / "labels.parquet")
    predictions = _parquet(folder / "predictions.parquet")
    return RunFiles(
        folder=folder,
        classes=_classes(run, student, metrics, labels, predictions),
        run=run,
        student=student,
        metrics=metrics,
        labels=labels,
        predictions=predictions,
        curve=_csv(folder / "curve.csv"),
        curves=_csv(folder / "curves.csv", read_curves),
        posterior=None if "posterior.nc" in missing else folder / "posterior.nc",
        explanations=Explanations.load(folder / "explain.parquet")
        if (folder / "explain.parquet").is_file()
        else None,
        embedding=_embedding(folder / EMBEDDING),
        comparison=Comparison.load(folder) if (folder / COMPARED).is_file() else None,
        missing=missing,
    )


def _embedding(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path, columns=["id", "x", "y"])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a table of places ({error}); run labelppl report") from None
    return frame


def _classes(
    run: dict[str, Any],
    student: dict[str, Any],
    metrics: Metrics | None,
    labels: pd.DataFrame | None,
    predictions: pd.DataFrame | None,
) -> tuple[str, ...]:
    named = run.get("classes") or student.get("classes") or (metrics.classes if metrics else None)
    if named:
        return tuple(str(name) for name in named)
    for table in (labels, predictions):
        if table is not None:
            return tuple(c.removeprefix("p_") for c in table.columns if c.startswith("p_"))
    return ()


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); run the job again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: got {type(content).__name__}, expected an object of names")
    return content


def _parquet(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a Parquet table ({error}); run the job again") from None
    wanted = {"id", "label"} - set(frame.columns)
    if wanted or not any(str(c).startswith("p_") for c in frame.columns):
        raise InputError(
            f"{path}: got columns {', '.join(map(str, frame.columns))}, expected id, label and "
            "p_<class>; run the job again"
        )
    return frame


def _csv(path: Path, read: Callable[[Path], pd.DataFrame] = pd.read_csv) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a CSV table ({error}); run the job again") from None
