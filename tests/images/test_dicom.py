"""DICOM as a viewer shows it: rescale, window, lookup table, inverted greyscale, colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelppl.errors import InputError
from labelppl.images.read import read_images

pydicom = pytest.importorskip("pydicom", reason="the [dicom] extra is not installed")
STORED = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65  # 0..4095 in 12 bits


def _file(path: Path, stored: np.ndarray = STORED, **attributes: Any) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = stored.shape[:2]
    data.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    data.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = stored.dtype.itemsize * 8
    data.BitsStored = 12 if stored.dtype.itemsize == 2 else 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = 1 if stored.dtype.kind == "i" else 0
    data.PixelData = stored.tobytes()
    for name, value in attributes.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def _pixels(path: Path) -> np.ndarray:
    images = read_images([path])
    assert images.depth == "uint16"
    return images.pixels[0, 0]


def test_stored_range_fills_16_bits(tmp_path: Path) -> None:
    expected = np.rint(STORED / 4095 * 65535)
    np.testing.assert_array_equal(_pixels(_file(tmp_path / "a.dcm")), expected)
    np.testing.assert_array_equal(_pixels(_file(tmp_path / "no_suffix")), expected)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(_pixels(path), np.rint((1 - STORED / 4095) * 65535))


def test_rescale_of_signed_values(tmp_path: Path) -> None:
    signed = (STORED.astype(np.int16) - 2048).astype(np.int16)
    path = _file(tmp_path / "a.dcm", signed, RescaleSlope=2, RescaleIntercept=-100)
    np.testing.assert_array_equal(_pixels(path), np.rint(STORED / 4095 * 65535))


def test_window_is_the_linear_function_of_the_standard(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.dcm", WindowCenter=40, WindowWidth=400, RescaleSlope=1, RescaleIntercept=-1024
    )
    x = STORED.astype(float) - 1024
    shown = np.clip((x - 39.5) / 399 + 0.5, 0, 1)  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(_pixels(path), shown * 65535, atol=0.51)


def _table(entries: int, bits: int) -> Any:
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor = [entries, 0, bits]
    table.LUTData = np.minimum(2**bits - 1, np.arange(entries) * 2).astype("<u2").tobytes()
    return table


def test_voi_lookup_table(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.dcm", VOILUTSequence=[_table(4096, 12)])
    np.testing.assert_array_equal(
        _pixels(path), np.rint(np.minimum(4095, STORED.astype(int) * 2) / 4095 * 65535)
    )


def test_a_table_that_would_wrap_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.dcm", VOILUTSequence=[_table(4096, 8)])
    with pytest.raises(InputError, match="4096 entries of 8 bits"):
        read_images([path])


def test_colour_stays_8_bit(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    images = read_images([_file(tmp_path / "a.dcm", colour)])
    np.testing.assert_array_equal(images.pixels[0], colour.transpose(2, 0, 1))


def test_frames_and_damage_are_named(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.dcm", NumberOfFrames=2)
    with pytest.raises(InputError, match=r"a\.dcm: got 2 frames"):
        read_images([path])
    path = tmp_path / "b.dcm"
    path.write_bytes(_file(tmp_path / "c.dcm").read_bytes()[:300])
    with pytest.raises(InputError, match=r"b\.dcm: cannot be read as an image"):
        read_images([path])
