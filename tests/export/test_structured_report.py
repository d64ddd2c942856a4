"""DICOM Structured Reports of `labelppl predict`: what they hold, read back with highdicom; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from labelppl.cli import main

from labelppl.runs import sha256
from labelppl.students.student import Student

highdicom = pytest.importorskip("highdicom", reason="the [dicom] extra is not installed")
pydicom = pytest.importorskip("pydicom", reason="the [dicom] extra is not installed")


def _image(path: Path, **tags: str) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = (
        SecondaryCaptureImageStorage,
        meta.MediaStorageSOPInstanceUID,
    )
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.PatientID, data.PatientName, data.Modality = "p1", "A^B", "US"
    for tag, value in tags.items():
        setattr(data, tag, value)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    data.Rows, data.Columns, data.SamplesPerPixel = 8, 8, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_report_holds_what_the_table_says(
    make_student: Callable[..., Student], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    make_student(depth="uint16", posterior="full").save(run)
    image = _image(tmp_path / "scan.dcm")
    out, folder = tmp_path / "p.csv", tmp_path / "reports"
    result = _run(
        "predict",
        "--run",
        run,
        image,
        "--out",
        out,
        "--dicom-sr",
        folder,
        "--prevalence",
        "b=.1",
        "--device",
        "cpu",
    )
    assert result.exit_code == 0, result.output
    row = pd.read_csv(out).iloc[0]
    report = highdicom.sr.srread(folder / "1-scan.dcm")
    source = pydicom.dcmread(image)
    assert (report.PatientID, report.StudyInstanceUID) == ("p1", source.StudyInstanceUID)
    group = report.content.get_image_measurement_groups()[0]
    values = {one.name.meaning: one.value for one in group.get_measurements()}
    assert values == pytest.approx(
        {
            "Probability of a": row["p_a"], "Probability of b": row["p_b"],
            "Lower end of 90 % interval, a": row["lo_a"], "Upper end of 90 % interval, a": row["hi_a"],
            "Lower end of 90 % interval, b": row["lo_b"], "Upper end of 90 % interval, b": row["hi_b"],
            "Prevalence of a": 0.9, "Prevalence of b": 0.1,
        }
    )  # fmt: skip
    assert group.source_images[0].referenced_sop_instance_uid == source.SOPInstanceUID
    texts = [str(element.value) for element in report.iterall() if element.keyword == "TextValue"]
    assert f"student SHA-256 {sha256(run / 'student.safetensors')}" in texts
    assert "recalibrated by nothing" in texts


def test_what_cannot_be_reported_is_refused_before_predicting(
    make_student: Callable[..., Student], make_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    make_student().save(run)
    out = tmp_path / "p.csv"
    words = [
        "predict",
        "--run",
        run,
        "--out",
        out,
        "--device",
        "cpu",
        "--dicom-sr",
        tmp_path / "reports",
    ]
    result = _run(*words, make_pictures(count=1)[0])
    assert result.exit_code == 2
    assert "no DICOM file" in result.output
    result = _run(*words, _image(tmp_path / "x.dcm", PatientID=""))
    assert result.exit_code == 2
    assert "no PatientID" in result.output
    assert not out.exists()
    assert not (tmp_path / "reports").exists()
