"""``predict``: a student and image files -> probabilities. Needs neither Pyro nor measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..calibration.in_force import CALIBRATION, STUDENT
from ..case_images import has_several, images_in_words
from ..errors import InputError
from ..export.structured_report import ReportFacts, check_reports, write_structured_reports
from ..prevalence import read_prevalence
from ..runs import check_file, check_folder, read_json, sha256, verify
from ..students.prediction import PREDICTION_SUFFIXES, prediction_frame, write_table
from .stated_images import StatedImages, stated_images
from .telling import Teller, bar

if TYPE_CHECKING:
    from pandas import DataFrame

#: From so many images on, progress is shown: two batches, some seconds.
MANY = 512


def predict_job(
    run: Path,
    stated: Sequence[Path],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None,
    raw: bool,
    device: str,
    say: Teller,
    student: str | None = None,
    trust: bool = False,
    dicom_sr: Path | None = None,
    separator: str | None = None,
) -> None:
    """Classify images with the run's student and write the table ``out``.

    stated: image files, folders of them, or one table with the column image. separator: between its cells, if it
    is text.
    student: FILE.py:NAME of a network of the user's own. trust: whether a stranger's run may have its file executed.
    dicom_sr: a new folder for DICOM Structured Reports, one per image.
    """
    from ..students.predict import write_predictions  # torch, which an ONNX file does without
    from ..training.device import check_device
    from .own_student import own_network

    check_device(device)
    own = [run / name for name in ("student.json", "student.safetensors", "run.json")]
    for name in ("student.json", "student.safetensors"):
        verify(run, name)
    images = stated_images(stated, separator)
    inputs = (*images.paths, *images.sources, *own, *_sources(run))
    classes = read_json(run / "student.json").get("classes")
    named = (
        classes if isinstance(classes, list) else ()
    )  # a damaged file is refused when it is read
    check_file(out, suffixes=PREDICTION_SUFFIXES, inputs=inputs, columns=_columns(named))
    network = own_network(run, student, trust=trust)
    facts = _facts_of_run(run, prevalence, raw=raw)
    if dicom_sr is not None:
        _refuse_several(images, "--dicom-sr: a structured report is about one image; leave it out")
        check_reports(images.paths, facts.classes)
        check_folder(dicom_sr, "--dicom-sr")
    several = has_several(images.cases)
    with _shown(len(images), say) as progress:
        frame = write_predictions(
            run, images.cases, out, prevalence=prevalence, raw=raw, device=device, network=network, ids=images.ids,
            progress=progress,
        )  # fmt: skip
    say(
        f"{len(images)} predictions in {out}"
        + (f": {images_in_words(images.cases)}" if several else "")
    )
    _report(images.paths, frame, facts, dicom_sr, say)


def predict_onnx_job(
    student: Path,
    stated: Sequence[Path],
    out: Path,
    *,
    prevalence: Mapping[str, float] | None,
    say: Teller,
    dicom_sr: Path | None = None,
    separator: str | None = None,
) -> None:
    """Classify images, stated as in `predict_job`, with an ONNX file and write the table ``out``; torch is not imported.

    Raises InputError for a file that is not ours, or no onnxruntime.
    """
    from ..export.onnx_student import load_onnx

    if not stated:
        raise InputError("predict: expected at least one image file")
    images = stated_images(stated, separator)
    _refuse_several(
        images, "--onnx: the file classifies single images; give --run, which pools them"
    )
    exported = load_onnx(student)
    inputs = (*images.paths, *images.sources, student)
    check_file(out, suffixes=PREDICTION_SUFFIXES, inputs=inputs, columns=_columns(exported.classes))
    moved = exported if prevalence is None else exported.at(prevalence)
    notes = exported.notes
    at = moved.prevalence or notes.deployment_prevalence or notes.study_prevalence
    facts = ReportFacts(notes.classes, at, notes.student, notes.calibration)
    if dicom_sr is not None:
        check_reports(images.paths, facts.classes)
        check_folder(dicom_sr, "--dicom-sr")
    with _shown(len(images), say) as progress:
        prediction, study = moved.predict_both(images.paths, progress)
    frame = prediction_frame(images.ids, prediction, study, exported.sets, exported.confidence)
    write_table(out, frame)
    say(f"{len(images)} predictions in {out}")
    _report(images.paths, frame, facts, dicom_sr, say)


def _refuse_several(images: StatedImages, why: str) -> None:
    """InputError where a case has several images."""
    several = [i for i, case in enumerate(images.cases) if not isinstance(case, Path)]
    if several:
        raise InputError(f"predict: case {str(images.ids[several[0]])!r} has several images. {why}")


@contextmanager
def _shown(images: int, say: Teller) -> Iterator[Callable[[int, int], None]]:
    """Progress of many images; a few are done at once."""
    if images < MANY:
        yield _tell_nobody
        return
    with bar(f"classifying {images:,} images", say) as progress:
        yield progress or _tell_nobody


def _tell_nobody(done: int, total: int) -> None:
    """Progress where it is not wanted."""


def _report(
    images: Sequence[Path],
    predictions: DataFrame,
    facts: ReportFacts,
    folder: Path | None,
    say: Teller,
) -> None:
    if folder is not None:
        write_structured_reports(images, predictions, facts, folder)
        say(f"{len(images)} structured reports in {folder}")


def _facts_of_run(run: Path, prevalence: Mapping[str, float] | None, *, raw: bool) -> ReportFacts:
    """What a structured report says of the run's student."""
    from ..students.spec import Spec  # torch comes with it

    spec = Spec.from_json(run / "student.json")
    at = spec.deployment_prevalence or spec.study_prevalence
    if prevalence is not None:
        at = read_prevalence(prevalence, spec.classes)
    mapping = None if raw else read_json(run / CALIBRATION).get("map")
    return ReportFacts(
        spec.classes, at, sha256(run / STUDENT), None if mapping is None else str(mapping)
    )


def _columns(classes: Iterable[object]) -> tuple[str, ...]:
    """What every table of predictions has."""
    return ("id", *(f"p_{name}" for name in classes))


def _sources(run: Path) -> list[Path]:
    """The table and the model file that the run was made from, where the folder says so."""
    made = read_json(run / "run.json")
    sources = [made.get(name) for name in ("data", "model")]
    return [
        Path(str(source["path"]))
        for source in sources
        if isinstance(source, dict) and "path" in source
    ]
