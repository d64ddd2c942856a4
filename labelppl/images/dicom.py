"""One DICOM image as the values a viewer shows, on a 16-bit scale.

Modality LUT or rescale, then VOI LUT or window, both by pydicom, then the range that the stored
bits can reach is mapped linearly onto 0..65535; MONOCHROME1 is turned round so that white is high.
Colour images stay 8 bit, as RGB.

Assumption: where a file carries a window, the window is what its maker meant to be seen. Without
one the values are comparable between files of one bit depth and rescale only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InputError


def is_dicom(path: Path) -> bool:
    """Whether the file carries the DICOM mark, or says so by its name."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


def read_dicom(path: Path) -> Array:
    """(height, width) uint16 or (height, width, 3) uint8. Raises InputError without pydicom."""
    try:
        import pydicom
        from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
        from pydicom.pixels.utils import pixel_array
    except ImportError as error:
        raise InputError(
            f"{path}: is DICOM, which needs pydicom; pip install 'labelppl[dicom]'"
        ) from error
    data = pydicom.dcmread(path)
    if int(data.get("NumberOfFrames", 1) or 1) > 1:
        raise InputError(f"{path}: got {data.NumberOfFrames} frames, expected a single image")
    stored = pixel_array(data)
    if int(data.get("SamplesPerPixel", 1)) == 3:
        if stored.dtype != np.uint8:
            raise InputError(f"{path}: got {stored.dtype} colour DICOM, expected 8 bit")
        return stored
    _refuse_wrapping_table(path, data)
    shown = apply_voi_lut(apply_modality_lut(stored, data), data)
    low, high = _reach(data)
    scaled = (np.clip(shown.astype(np.float64), low, high) - low) / (high - low)
    if data.PhotometricInterpretation == "MONOCHROME1":
        scaled = 1 - scaled
    elif data.PhotometricInterpretation != "MONOCHROME2":
        raise InputError(
            f"{path}: got {data.PhotometricInterpretation}, expected MONOCHROME1, MONOCHROME2 or "
            "colour"
        )
    return np.asarray(np.rint(scaled * 65535), np.uint16)


def _refuse_wrapping_table(path: Path, data: Any) -> None:
    """pydicom 3.0 looks up an 8-bit VOI table by an 8-bit index, which wraps round at 256."""
    for table in data.get("VOILUTSequence") or []:
        entries, _, bits = (int(v) for v in table.LUTDescriptor)
        if bits <= 8 and (entries == 0 or entries > 256):
            raise InputError(
                f"{path}: got a VOI lookup table of {entries or 65536} entries of {bits} bits, which "
                "pydicom reads wrongly; expected 16-bit entries or a window; convert the file"
            )


def _reach(data: Any) -> tuple[float, float]:
    """The lowest and highest value that the file's transforms can produce.

    As in pydicom's own windowing: the range of the stored bits, through the rescale; a VOI lookup
    table states its own bits. Padding outside that range is clipped to it, as a viewer does.
    """
    if "VOILUTSequence" in data and data.VOILUTSequence:
        return 0.0, float(2 ** int(data.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    if "ModalityLUTSequence" in data and data.ModalityLUTSequence:
        return 0.0, float(2 ** int(data.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    bits = int(data.BitsStored)
    low, high = (0.0, 2.0**bits - 1)
    if int(data.PixelRepresentation) == 1:
        low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    slope = float(data.get("RescaleSlope", 1) or 1)
    intercept = float(data.get("RescaleIntercept", 0) or 0)
    ends = (low * slope + intercept, high * slope + intercept)
    return min(ends), max(ends)
