"""``predict``: a student and image files -> probabilities. Needs neither Pyro nor measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import InputError
from ..runs import check_file, read_json, verify
from ..students.prediction import PREDICTION_SUFFIXES, prediction_frame, write_table
from .telling import Teller


def predict_job(
    run: Path,
    images: Sequence[Path],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None,
    raw: bool,
    device: str,
    say: Teller,
    student: str | None = None,
    trust: bool = False,
) -> None:
    """Classify the image files with the run's student and write the table ``out``.

    student: FILE.py:NAME of a network of the user's own. trust: whether a stranger's run may have its file executed.
    """
    from ..students.predict import write_predictions  # torch, which an ONNX file does without
    from ..training.device import check_device
    from .own_student import own_network

    check_device(device)
    own = [run / name for name in ("student.json", "student.safetensors", "run.json")]
    check_file(out, suffixes=PREDICTION_SUFFIXES, inputs=(*images, *own, *_sources(run)))
    for name in ("student.json", "student.safetensors"):
        verify(run, name)
    network = own_network(run, student, trust=trust)
    write_predictions(
        run, images, out, prevalence=prevalence, raw=raw, device=device, network=network
    )
    say(f"{len(images)} predictions in {out}")


def predict_onnx_job(
    student: Path,
    images: Sequence[Path],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None,
    say: Teller,
) -> None:
    """Classify the image files with an ONNX file and write the table ``out``; torch is not imported.

    Raises InputError for a file that is not ours, or no onnxruntime.
    """
    from ..export.onnx_student import load_onnx

    check_file(out, suffixes=PREDICTION_SUFFIXES, inputs=(*images, student))
    if not images:
        raise InputError("predict: expected at least one image file")
    exported = load_onnx(student)
    moved = exported if prevalence is None else exported.at(prevalence)
    prediction, study = moved.predict_both(images)
    write_table(
        out, prediction_frame(images, prediction, study, exported.sets, exported.confidence)
    )
    say(f"{len(images)} predictions in {out}")


def _sources(run: Path) -> list[Path]:
    """The table and the model file that the run was made from, where the folder says so."""
    made = read_json(run / "run.json")
    sources = [made.get(name) for name in ("data", "model")]
    return [
        Path(str(source["path"]))
        for source in sources
        if isinstance(source, dict) and "path" in source
    ]
