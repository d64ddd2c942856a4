"""What a TIFF's header says about its numbers, held against what Pillow makes of them.

Pillow opens more kinds of TIFF than it keeps: 48-bit colour loses its low bytes, a signed byte is
read as an unsigned one, an extra sample is dropped. Those are refused. Two it leaves to its caller:
16-bit WhiteIsZero, where 0 is white, and the scale of 12-bit values.

Source: TIFF 6.0 (Adobe, 1992), sections 4, 8 and 18 to 22, for the tags.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from ..arrays import Array
from ..errors import InputError
from .limits import MOST_PIXELS

BITS, PHOTOMETRIC, EXTRA_SAMPLES, SAMPLE_FORMAT, COLOUR_MAP = 258, 262, 338, 339, 320
TILE_WIDTH, TILE_LENGTH = 322, 323
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
PHOTOMETRICS = {
    4: "a transparency mask",
    5: "CMYK colour",
    8: "L*a*b* colour",
    9: "L*a*b* colour",
    10: "L*a*b* colour",
    32803: "raw sensor values",
    32844: "LogLuv colour",
    32845: "LogLuv colour",
    34892: "raw sensor values",
}
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
ALPHA = (1, 2)


def check_tiff(path: Path, image: TiffImageFile) -> None:
    """Raises InputError, naming the path, for a TIFF whose values Pillow would not keep."""
    tags = image.tag_v2
    if PHOTOMETRIC not in tags:
        raise InputError(
            f"{path}: does not say whether 0 is black or white (PhotometricInterpretation); "
            "convert the file"
        )
    meaning = tags[PHOTOMETRIC]
    if meaning in PHOTOMETRICS or meaning not in (0, 1, 2, 3, 6):
        raise InputError(
            f"{path}: got {PHOTOMETRICS.get(meaning, f'photometric interpretation {meaning}')}, "
            "expected grey, RGB or a palette; convert the file"
        )
    extra = tags.get(EXTRA_SAMPLES, ())
    if any(kind not in ALPHA for kind in extra):
        raise InputError(
            f"{path}: got {len(extra)} extra samples a pixel of no stated meaning, expected grey or "
            "RGB alone; remove them"
        )
    bits, kinds = tuple(tags.get(BITS, (1,))), tuple(tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
    if len(bits) - len(extra) > 1 and max(bits) > 8:
        raise InputError(
            f"{path}: got {max(bits)}-bit colour, which would lose its low bits; save it as 8-bit "
            "colour, or as 16-bit grey"
        )
    if len(set(kinds)) > 1 or kinds[0] not in (UNSIGNED, SIGNED, FLOAT):
        raise InputError(
            f"{path}: got sample format {kinds[0]}, expected whole numbers or floats; convert it"
        )
    if kinds[0] == SIGNED and max(bits) < 16:
        raise InputError(
            f"{path}: got signed {max(bits)}-bit values, expected unsigned ones; convert the file"
        )
    if kinds[0] == FLOAT and meaning == WHITE_IS_ZERO:
        raise InputError(
            f"{path}: got floats of which 0 is white, expected 0 to be black; convert the file"
        )
    if COLOUR_MAP in tags:
        _check_palette(path, np.asarray(tags[COLOUR_MAP]))
    if tags.get(TILE_WIDTH, 0) * tags.get(TILE_LENGTH, 0) > MOST_PIXELS:
        raise InputError(f"{path}: got tiles of more than {MOST_PIXELS} pixels; convert the file")


def _check_palette(path: Path, colours: Array) -> None:
    """Pillow keeps the high byte; the low one must repeat it or be empty."""
    high, low = colours >> 8, colours & 255
    if not ((low == high).all() or (low == 0).all()):
        raise InputError(
            f"{path}: got a palette of 16-bit colours, which would lose its low bits; save it as "
            "8-bit colour"
        )


def grey_16(image: TiffImageFile, wide: Array) -> Array:
    """(height, width) uint16 as stored -> on the scale on which 65535 is white."""
    bits = image.tag_v2.get(BITS, (1,))[0]
    if bits < 16:
        wide = np.rint(wide * (65535 / (2**bits - 1))).astype(np.uint16)
    if image.tag_v2[PHOTOMETRIC] == WHITE_IS_ZERO:
        wide = np.bitwise_not(wide)
    return wide
