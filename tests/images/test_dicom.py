"""DICOM as a viewer shows it: rescale, window, lookup table, inverted greyscale, colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelppl.errors import InputError
from labelppl.images.decode import decode
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


ROW = np.tile(np.array([0, 500, 1000, 2000, 3000, 4095], np.uint16), (6, 1))
NEGATIVE = {"RescaleSlope": -1, "RescaleIntercept": 4095}
FULL = {"WindowCenter": 2048, "WindowWidth": 4096}


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


def test_a_negative_slope_turns_the_values_round_with_and_without_a_window(tmp_path: Path) -> None:
    plain = decode(_file(tmp_path / "plain.dcm", ROW, **NEGATIVE))
    window = decode(_file(tmp_path / "window.dcm", ROW, **NEGATIVE, **FULL))
    expected = [1, 0.88, 0.76, 0.51, 0.27, 0]
    np.testing.assert_allclose(plain[0] / 65535, expected, atol=0.01)
    np.testing.assert_allclose(window[0] / 65535, expected, atol=0.01)


def test_a_negative_slope_with_a_narrow_window_ends_at_black_and_white(tmp_path: Path) -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 101}
    shown = decode(_file(tmp_path / "a.dcm", ROW, **NEGATIVE, **window))
    assert shown[0].tolist() == [65535, 65535, 65535, 65535, 0, 0]
    turned = decode(
        _file(
            tmp_path / "b.dcm", ROW, PhotometricInterpretation="MONOCHROME1", **NEGATIVE, **window
        )
    )
    np.testing.assert_array_equal(turned, 65535 - shown)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_negative_slope_agrees_with_the_rescaled_values_stored(
    tmp_path: Path, function: str
) -> None:
    window = {"WindowCenter": 1800, "WindowWidth": 900, "VOILUTFunction": function}
    one = decode(_file(tmp_path / "a.dcm", ROW, **NEGATIVE, **window))
    two = decode(_file(tmp_path / "b.dcm", 4095 - ROW, **window))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": "", "RescaleIntercept": ""},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 1},
        {"RescaleIntercept": ""},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": [], "WindowWidth": []},
        {"VOILUTSequence": []},
        {"ModalityLUTSequence": []},
    ],
    ids=str,
)
def test_empty_tags_state_nothing(tmp_path: Path, tags: dict[str, Any]) -> None:
    plain = decode(_file(tmp_path / "plain.dcm", ROW))
    np.testing.assert_array_equal(decode(_file(tmp_path / "empty.dcm", ROW, **tags)), plain)


def test_a_flat_image_is_read(tmp_path: Path) -> None:
    flat = np.full((4, 5), 1000, np.uint16)
    for tags in ({}, FULL, {"RescaleSlope": 3, "RescaleIntercept": -7}):
        picture = decode(_file(tmp_path / "a.dcm", flat, **tags))
        assert np.unique(picture).size == 1


def test_signed_pixels_of_few_bits(tmp_path: Path) -> None:
    signed = np.array([[-128, -1, 0, 127]], np.int8)
    shown = decode(_file(tmp_path / "a.dcm", signed))
    np.testing.assert_array_equal(shown[0], np.rint((signed[0].astype(int) + 128) / 255 * 65535))


def test_float_pixels_stay_floats(tmp_path: Path) -> None:
    floats = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)

    def make(name: str, picture: np.ndarray, **tags: Any) -> Path:
        path = _file(tmp_path / name, ROW)
        data = pydicom.dcmread(path)
        del data.PixelData, data.BitsStored, data.HighBit
        data.Rows, data.Columns = picture.shape
        data.BitsAllocated = picture.itemsize * 8
        kind = "FloatPixelData" if picture.dtype == np.float32 else "DoubleFloatPixelData"
        setattr(data, kind, picture.tobytes())
        for tag, value in tags.items():
            setattr(data, tag, value)
        data.save_as(path)
        return path

    read = decode(make("a.dcm", floats))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, floats)
    for path, words in (
        (make("b.dcm", floats.astype(np.float64)), "64-bit floats"),
        (make("c.dcm", np.where(floats > 0, np.nan, floats)), "not finite"),
        (make("d.dcm", floats, RescaleSlope=2), "float pixels with RescaleSlope"),
        (make("e.dcm", floats, PhotometricInterpretation="MONOCHROME1"), "float pixels with MONO"),
    ):
        with pytest.raises(InputError, match=words):
            decode(path)


def _palette(path: Path, low_bits: int) -> tuple[Path, np.ndarray]:
    rng = np.random.default_rng(0)
    index = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    colours = rng.integers(0, 256, (3, 256)).astype(np.uint16)
    tables = {}
    for name, channel in zip(("Red", "Green", "Blue"), colours, strict=True):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        words = (channel << 8) + (channel if low_bits == 257 else low_bits)
        tables[f"{name}PaletteColorLookupTableData"] = words.astype("<u2").tobytes()
    made = _file(path, index, PhotometricInterpretation="PALETTE COLOR", **tables)
    return made, colours.T[index]


@pytest.mark.parametrize("low_bits", [0, 257])
def test_a_palette_gives_its_colours(tmp_path: Path, low_bits: int) -> None:
    path, expected = _palette(tmp_path / "a.dcm", low_bits)
    np.testing.assert_array_equal(decode(path), expected)


def test_a_palette_of_16_bits_is_refused(tmp_path: Path) -> None:
    path, _ = _palette(tmp_path / "a.dcm", 5)
    with pytest.raises(InputError, match="palette of 16-bit colours"):
        decode(path)


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    from PIL import Image

    colour = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    ybr = np.asarray(Image.fromarray(colour).convert("YCbCr"))
    path = _file(tmp_path / "a.dcm", ybr, PhotometricInterpretation="YBR_FULL")
    assert np.abs(decode(path).astype(int) - colour).max() <= 2


def test_colour_by_planes(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    planes = np.ascontiguousarray(colour.transpose(2, 0, 1)).tobytes()
    path = _file(tmp_path / "a.dcm", colour, PlanarConfiguration=1, PixelData=planes)
    np.testing.assert_array_equal(decode(path), colour)


def test_run_length_encoding_is_read(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.dcm")
    plain = decode(path)
    data = pydicom.dcmread(path)
    data.compress(pydicom.uid.RLELossless)
    data.save_as(path)
    np.testing.assert_array_equal(decode(path), plain)


def _as_jpeg_ls(path: Path) -> Path:
    data = pydicom.dcmread(_file(path))
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xf7" + bytes(60)])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    data.save_as(path)
    return path


def _without(path: Path, *names: str) -> Path:
    data = pydicom.dcmread(_file(path))
    for name in names:
        delattr(data, name)
    data.save_as(path)
    return path


def _renamed(path: Path) -> Path:
    path.write_text("id,image\n1,a.dcm\n")
    return path


def _deflated(path: Path) -> Path:
    data = pydicom.dcmread(_file(path))
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(path)
    return path


STORED_32 = STORED.astype(np.uint32)
REFUSED: dict[str, tuple[Any, str]] = {
    "slope 0": (
        lambda p: _file(p, RescaleSlope=0, RescaleIntercept=5),
        "RescaleSlope: got 0, which makes every pixel the same",
    ),
    "slope nan": (
        lambda p: _file(p, RescaleSlope="nan"),
        "RescaleSlope: got nan, expected numbers",
    ),
    "half a window": (lambda p: _file(p, WindowCenter=40), "WindowCenter and WindowWidth: got one"),
    "a window of no width": (
        lambda p: _file(p, WindowCenter=40, WindowWidth=0),
        "cannot be read as an image.*Window Width",
    ),
    "no pixels": (lambda p: _without(p, "PixelData"), "DICOM without pixels"),
    "no rows": (lambda p: _without(p, "Rows"), "Rows is missing or empty"),
    "no meaning": (
        lambda p: _without(p, "PhotometricInterpretation"),
        "PhotometricInterpretation is missing or empty",
    ),
    "unknown meaning": (
        lambda p: _file(p, PhotometricInterpretation="CMYK"),
        "got CMYK, expected MONOCHROME1",
    ),
    "a line break in the meaning": (
        lambda p: _file(p, PhotometricInterpretation="RG\nB"),
        r"got RG B, expected MONOCHROME1",
    ),
    "samples that do not fit": (
        lambda p: _file(p, PhotometricInterpretation="RGB"),
        "SamplesPerPixel: got 1 with RGB, expected 3",
    ),
    "more bits than allocated": (lambda p: _file(p, BitsStored=17), "BitsStored: got 17"),
    "32 bits": (
        lambda p: _file(p, STORED_32, BitsStored=32, HighBit=31),
        "BitsStored: got 32, expected at most 16",
    ),
    "bits not at the bottom": (lambda p: _file(p, HighBit=15), "HighBit: got 15"),
    "16-bit colour": (
        lambda p: _file(p, np.zeros((4, 6, 3), np.uint16), BitsStored=16, HighBit=15),
        "16-bit colour DICOM",
    ),
    "no decoder": (_as_jpeg_ls, "compressed as JPEG-LS Lossless Image Compression, for which"),
    "deflated": (_deflated, "deflated DICOM"),
    "text": (_renamed, "cannot be read as an image"),
    "frames": (lambda p: _file(p, NumberOfFrames=3), "got 3 frames"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    make, words = REFUSED[kind]
    path = make(tmp_path / "a.dcm")
    capfd.readouterr()
    recwarn.clear()
    with pytest.raises(InputError, match=rf"^{path}: .*{words}") as caught:
        decode(path)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
