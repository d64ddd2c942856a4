"""Predictions as DICOM Structured Reports, so that they can be filed beside the images they are of.

One Enhanced SR per image, with the template TID 1500 (Measurement Report): the probability of each class, the ends of its
90 % interval where the student has one, and the prevalence that the probabilities hold at; the student's digest stands in
the algorithm's identification. Patient and study are those of the image. Source: DICOM PS3.16, TID 1500; highdicom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError
from ..runs import new_folder

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEME = "99LABELPPL"
"""Private coding scheme: names beginning with 99 belong to nobody (PS3.16, section 8)."""
MOST_LETTERS = 64
"""Of the meaning of a code (value representation LO)."""
NEEDED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
ENDS = (
    ("lo_", "Low", "Lower end of 90 % interval, "),
    ("hi_", "High", "Upper end of 90 % interval, "),
)


@dataclass(frozen=True)
class ReportFacts:
    """What every report says of the student.

    classes: names. prevalence: that the probabilities hold at, (classes,) or None. student: SHA-256 of its weights.
    calibration: the map in force, or None.
    """

    classes: tuple[str, ...]
    prevalence: tuple[float, ...] | None
    student: str
    calibration: str | None


def write_structured_reports(
    images: Sequence[Path], predictions: DataFrame, facts: ReportFacts, folder: Path
) -> None:
    """Write one report per image into a new folder.

    Args:
        images: DICOM files.
        predictions: The table of `labelppl predict`, one row per image.
        facts: What is known of the student.
        folder: A new or an empty folder.

    Raises:
        InputError: highdicom is not installed, an image is no DICOM file or lacks what a report must refer to, or a class
            name is too long for DICOM.
    """
    check_reports(images, facts.classes)
    with new_folder(folder) as part:
        width = len(str(len(images)))
        for number, (image, row) in enumerate(
            zip(images, predictions.to_dict("records"), strict=True), 1
        ):
            _report(image, row, facts).save_as(
                part / f"{number:0{width}d}-{image.stem}.dcm", enforce_file_format=True
            )


def check_reports(images: Sequence[Path], classes: Sequence[str]) -> None:
    """Raise InputError where no report can be written, before anything is predicted."""
    try:
        import highdicom  # noqa: F401
        from pydicom import dcmread
        from pydicom.errors import InvalidDicomError
    except ImportError as error:
        raise InputError(
            f"--dicom-sr: highdicom cannot be imported ({error}); pip install 'labelppl[dicom]'"
        ) from error
    longest = max(len(words) for _, _, words in ENDS)
    for name in classes:
        if len(name) + longest > MOST_LETTERS or "\\" in name:
            raise InputError(
                f"--dicom-sr: class '{name}': DICOM takes at most {MOST_LETTERS - longest} letters and no backslash"
            )
    for image in images:
        try:
            data = dcmread(image, stop_before_pixels=True)
        except (InvalidDicomError, OSError) as error:
            raise InputError(
                f"{image}: no DICOM file, which a structured report must refer to; leave --dicom-sr out"
            ) from error
        missing = [tag for tag in NEEDED if not str(data.get(tag, "")).strip()]
        if missing:
            raise InputError(
                f"{image}: no {', '.join(missing)}, expected what a structured report must refer to"
            )


def _report(image: Path, row: dict[Any, Any], facts: ReportFacts) -> Any:
    import highdicom
    from highdicom import sr
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    source = dcmread(image, stop_before_pixels=True)
    _complete(source)

    def one(code: str, meaning: str, value: float) -> Any:
        name = sr.CodedConcept(value=code, scheme_designator=SCHEME, meaning=meaning)
        return sr.Measurement(name=name, value=float(value), unit=codes.UCUM.NoUnits)

    measurements = []
    for k, name in enumerate(facts.classes):
        measurements.append(one(f"P{k}", f"Probability of {name}", row[f"p_{name}"]))
        measurements += [
            one(f"{code}{k}", f"{words}{name}", row[f"{side}{name}"])
            for side, code, words in ENDS
            if f"{side}{name}" in row
        ]
        if facts.prevalence is not None:
            measurements.append(one(f"Prevalence{k}", f"Prevalence of {name}", facts.prevalence[k]))
    parameters = [
        f"student SHA-256 {facts.student}",
        f"recalibrated by {facts.calibration or 'nothing'}",
    ]
    algorithm = sr.AlgorithmIdentification("labelppl student", __version__, parameters)
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(highdicom.UID(), "labelppl"),
        algorithm_id=algorithm,
        measurements=measurements,
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(source)],
    )
    observer = sr.ObserverContext(
        codes.DCM.Device,
        sr.DeviceObserverIdentifyingAttributes(
            highdicom.UID(), "labelppl", "labelppl", "labelppl", facts.student[:16]
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=sr.CodedConcept(
            "CLASSIFIED", SCHEME, "Image classification for research"
        ),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return sr.EnhancedSR(
        evidence=[source],
        content=content[0],
        series_number=900,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="labelppl",
        is_complete=True,
    )


def _complete(source: Any) -> None:
    """Tags that a report copies and may be empty must at least be there."""
    for tag in (
        "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName",
    ):  # fmt: skip
        if tag not in source:
            setattr(source, tag, "")
