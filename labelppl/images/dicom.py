"""One DICOM image as the values a viewer shows, on a 16-bit scale.

Modality LUT or rescale, then VOI LUT or window, both by pydicom, then the range that the stored
bits can reach is mapped linearly onto 0..65535; MONOCHROME1 is turned round so that white is high.
Float pixels stay float32. Colour images (RGB, YBR, a palette) stay 8 bit, as RGB.

Assumption: where a file carries a window, the first window is what its maker meant to be seen.
Without one the values are comparable between files of one bit depth and rescale only.

Source: DICOM PS3.3, C.7.6.3 (image pixel), C.11.1 (modality LUT), C.11.2 (VOI LUT).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..arrays import Array
from ..errors import InputError
from .limits import IN_FLIGHT, refuse_large

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MOST_BITS = 16


def is_dicom(path: Path, file: BinaryIO) -> bool:
    """Whether the file carries the DICOM mark, or says so by its name."""
    first = file.read(132)
    file.seek(0)
    return first[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


@contextmanager
def dicom_pixels(path: Path, file: BinaryIO) -> Iterator[Array]:
    """(height, width) uint16 or float32, or (height, width, 3) uint8, for the time of the block.

    Its pixels count as being decoded until the block ends. Raises InputError, naming the path, also
    where pydicom is not installed.
    """
    data = _header(path, file)
    with IN_FLIGHT.spend(int(data.Rows) * int(data.Columns)):
        stored = _stored_values(path, data)
        if data.PhotometricInterpretation in GREY:
            grey = _floats if stored.dtype.kind == "f" else _grey
            yield grey(path, data, stored)
        else:
            yield _colour(path, data, stored)


def _header(path: Path, file: BinaryIO) -> Any:
    """The data set, its pixels not decoded yet. Raises InputError."""
    try:
        import pydicom
    except ImportError as error:
        raise InputError(
            f"{path}: is DICOM, which needs pydicom; pip install 'labelppl[dicom]'"
        ) from error
    syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
    if syntax is not None and syntax.is_deflated:  # its size is unknown before it is unpacked
        raise InputError(f"{path}: is a deflated DICOM file; convert it, e.g. dcmconv +te")
    data = pydicom.dcmread(file)
    if not any(name in data for name in PIXELS):
        raise InputError(
            f"{path}: cannot be read as an image (it is DICOM without pixels, or cut short)"
        )
    for name in ("Rows", "Columns", "PhotometricInterpretation", "SamplesPerPixel"):
        if data.get(name) in (None, ""):
            raise InputError(f"{path}: cannot be read as an image ({name} is missing or empty)")
    frames = int(data.get("NumberOfFrames", 1) or 1)
    refuse_large(path, int(data.Rows), int(data.Columns), frames)
    if frames > 1:
        raise InputError(f"{path}: got {frames} frames, expected a single image")
    _check_kind(path, data)
    _check_transforms(path, data)
    return data


def _check_kind(path: Path, data: Any) -> None:
    """What the pixels are: grey or colour, how many bits."""
    kind, samples = data.PhotometricInterpretation, int(data.SamplesPerPixel)
    if kind not in GREY + COLOUR:
        raise InputError(
            f"{path}: got {kind}, expected {', '.join(GREY)} or colour ({', '.join(COLOUR)})"
        )
    planes = 1 if kind in (*GREY, "PALETTE COLOR") else 3
    if samples != planes:
        raise InputError(f"{path}: SamplesPerPixel: got {samples} with {kind}, expected {planes}")
    if "DoubleFloatPixelData" in data:
        raise InputError(
            f"{path}: got 64-bit floats, which 32 bits cannot keep; convert them to 32 bits"
        )
    if "FloatPixelData" in data:
        return
    bits, allocated = int(data.BitsStored), int(data.BitsAllocated)
    if not 1 <= bits <= allocated:
        raise InputError(f"{path}: BitsStored: got {bits}, expected 1 to BitsAllocated {allocated}")
    if planes == 3 and bits != 8:
        raise InputError(f"{path}: got {bits}-bit colour DICOM, expected 8 bit")
    if bits > MOST_BITS:
        raise InputError(
            f"{path}: BitsStored: got {bits}, expected at most {MOST_BITS}; fewer would lose low bits"
        )
    high = data.get("HighBit")
    if high is not None and int(high) != bits - 1:
        raise InputError(f"{path}: HighBit: got {high}, expected BitsStored - 1, here {bits - 1}")


def _check_transforms(path: Path, data: Any) -> None:
    """Rescale, window and lookup tables: stated whole or not at all. An empty tag states nothing."""
    for name in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"):
        if name in data:
            value = data[name].value
            numbers = [value] if data[name].VM == 1 else list(value or [])
            if not numbers or value in (None, ""):
                delattr(data, name)
            elif not all(math.isfinite(float(number)) for number in numbers):
                raise InputError(f"{path}: {name}: got {value}, expected numbers")
    if "RescaleSlope" in data or "RescaleIntercept" in data:
        data.RescaleSlope = data.get("RescaleSlope", 1)
        data.RescaleIntercept = data.get("RescaleIntercept", 0)
        if float(data.RescaleSlope) == 0:
            raise InputError(
                f"{path}: RescaleSlope: got 0, which makes every pixel the same; expected another "
                "number, or no slope"
            )
    if ("WindowCenter" in data) != ("WindowWidth" in data):
        raise InputError(f"{path}: WindowCenter and WindowWidth: got one, expected both or none")
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        if name in data and not data[name].value:
            delattr(data, name)
    for table in data.get("VOILUTSequence", []):
        entries, _, bits = (int(v) for v in table.LUTDescriptor)
        if bits <= 8 and (entries == 0 or entries > 256):
            # pydicom 3.0 looks it up by an 8-bit index, which wraps round at 256
            raise InputError(
                f"{path}: got a VOI lookup table of {entries or 65536} entries of {bits} bits, which "
                "pydicom reads wrongly; expected 16-bit entries or a window; convert the file"
            )


def _stored_values(path: Path, data: Any) -> Array:
    """The values as stored, colour as RGB."""
    from pydicom.pixels.utils import pixel_array

    syntax = data.file_meta.TransferSyntaxUID
    try:
        stored = pixel_array(data)
    except (RuntimeError, NotImplementedError) as error:
        if not syntax.is_compressed:
            raise
        raise InputError(
            f"{path}: is compressed as {syntax.name}, for which no decoder is installed or which is "
            "damaged; convert it, e.g. gdcmconv --raw, or install pylibjpeg with its plugins"
        ) from error
    expected = (int(data.Rows), int(data.Columns))
    if stored.shape[:2] != expected:
        raise InputError(
            f"{path}: got {stored.shape[0]}x{stored.shape[1]} decoded pixels, expected "
            f"{expected[0]}x{expected[1]} as its header says"
        )
    return stored


def _floats(path: Path, data: Any, stored: Array) -> Array:
    """Float pixels are real numbers already; whatever would change them is refused."""
    changed = [
        name
        for name in ("RescaleSlope", "WindowCenter", "VOILUTSequence", "ModalityLUTSequence")
        if name in data
    ]
    if changed or data.PhotometricInterpretation != "MONOCHROME2":
        raise InputError(
            f"{path}: got float pixels with {(*changed, data.PhotometricInterpretation)[0]}, "
            "expected them as MONOCHROME2 alone; convert the file"
        )
    if not np.isfinite(stored).all():
        raise InputError(f"{path}: got a pixel that is not finite, expected numbers")
    return stored.astype(np.float32)


def _grey(path: Path, data: Any, stored: Array) -> Array:
    """(height, width) of stored integers -> what a viewer shows, uint16.

    The transforms act on each value alone, so they are computed once for each value there can be.
    """
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    lowest, highest = _stored_range(data)
    if stored.min() < lowest or stored.max() > highest:
        raise InputError(
            f"{path}: got stored values {stored.min()}..{stored.max()}, expected {lowest}.."
            f"{highest} as BitsStored says"
        )
    every = np.arange(lowest, highest + 1).astype(stored.dtype)
    shown = apply_voi_lut(apply_modality_lut(every, data), data).astype(np.float64)
    dark, bright = _ends(data, lowest, highest)
    if "WindowCenter" not in data and dark > bright:  # a negative slope has turned the values round
        dark, bright = bright, dark
    scaled = (np.clip(shown, min(dark, bright), max(dark, bright)) - dark) / (bright - dark)
    if data.PhotometricInterpretation == "MONOCHROME1":
        scaled = 1 - scaled
    table = np.rint(scaled * 65535).astype(np.uint16)
    return table[stored if lowest == 0 else stored.astype(np.int32) - lowest]


def _stored_range(data: Any) -> tuple[int, int]:
    """The lowest and the highest value of the stored bits."""
    bits = int(data.BitsStored)
    if int(data.PixelRepresentation) == 1:
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def _ends(data: Any, lowest: int, highest: int) -> tuple[float, float]:
    """What pydicom's transforms make of the darkest and of the brightest picture there can be.

    The lowest and highest stored value, through the rescale; a lookup table states its own bits.
    Padding outside that range is clipped to it, as a viewer does. pydicom's window maps its lower
    end onto the first and its upper end onto the second, so that with a negative slope, where the
    first is the greater, the second still is white.
    """
    for name in ("VOILUTSequence", "ModalityLUTSequence"):
        if name in data:
            return 0.0, float(2 ** int(data[name].value[0].LUTDescriptor[2]) - 1)
    slope, intercept = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
    return lowest * slope + intercept, highest * slope + intercept


def _colour(path: Path, data: Any, stored: Array) -> Array:
    """(height, width, 3) uint8."""
    if data.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        stored = apply_color_lut(stored, data)[..., :3]
        if stored.dtype == np.uint16:
            high, low = stored >> 8, stored & 255
            if not ((low == high).all() or (low == 0).all()):
                raise InputError(
                    f"{path}: got a palette of 16-bit colours, which would lose its low bits; "
                    "convert the file"
                )
            stored = high
        return stored.astype(np.uint8)
    if stored.dtype != np.uint8 or stored.ndim != 3:
        raise InputError(f"{path}: got {stored.dtype} colour DICOM, expected 8 bit")
    return stored
