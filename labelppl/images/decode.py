"""One image file -> its pixels, resized where asked.

Raster formats through Pillow (see `raster`), DICOM through pydicom (see `dicom`). A pixel keeps its
stored value: nothing is stretched, equalised or converted without being asked for, because the
measured feature lives in those values. What cannot be kept is refused, with the path.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import Array
from ..errors import InputError
from .dicom import dicom_pixels, is_dicom
from .limits import SILENCE
from .raster import EXPECTED, raster_pixels

FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}

for _decoder in ("PIL", "pydicom"):  # else Python prints what they log and nobody listens to
    logging.getLogger(_decoder).addHandler(logging.NullHandler())
# libtiff prints its errors besides returning them to Pillow, which raises them
with suppress(AttributeError, OSError):
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)  # type: ignore[attr-defined]


def decode(path: Path) -> Array:
    """Read one image file.

    Args:
        path: Of a PNG, JPEG, TIFF, BMP, GIF, WebP, PGM/PPM or DICOM file.

    Returns:
        The stored values, `(height, width)` or `(height, width, 3)`, in uint8, uint16 or float32.
        White is 255 or 65535, whatever the file calls white.

    Raises:
        InputError: Names the path of a file that is missing, unreadable, too large, transparent, of
            several frames, or of values that these types cannot keep.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> path = Path(tempfile.mkdtemp()) / "grey.png"
        >>> Image.new("L", (3, 2), 7).save(path)
        >>> decode(path).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
    with _decode(path) as pixels:
        return pixels


def load_pixels(path: Path, size: tuple[int, int] | None, keep_aspect: bool) -> Array:
    """As `decode`, in `size` (height, width) if given."""
    with _decode(path) as pixels:
        return pixels if size is None else resize_picture(pixels, size, keep_aspect)


@contextmanager
def _decode(path: Path) -> Iterator[Array]:
    """The pixels; they count as being decoded for the time of the block."""
    if not path.is_file():
        raise InputError(f"{path}: no such image file; paths are relative to the cases table")
    try:
        with SILENCE.hold(), path.open("rb") as file:
            reader = dicom_pixels if is_dicom(path, file) else raster_pixels
            with reader(path, file) as pixels:
                yield pixels
    except InputError as error:
        raise InputError(_one_line(str(error))) from error
    except MemoryError as error:
        raise InputError(f"{path}: needs more memory than there is; shrink the image") from error
    except Exception as error:  # every decoder has its own exceptions; all mean "unreadable"
        why = _one_line(" ".join(str(error).split())) or type(error).__name__
        raise InputError(
            f"{path}: cannot be read as an image ({why}); expected {EXPECTED}"
        ) from error


def _one_line(message: str) -> str:
    """What a file says of itself may hold line breaks and other characters that are not shown."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


def planes(path: Path, picture: Array, channels: int) -> Array:
    """(height, width[, 3]) -> (channels, height, width). Refuses to make colour grey."""
    if picture.ndim == 2:
        return np.broadcast_to(picture, (channels, *picture.shape))
    if channels == 3:
        return picture.transpose(2, 0, 1)
    if (picture == picture[..., :1]).all():
        return picture[None, ..., 0]
    raise InputError(
        f"{path}: got a colour image, expected greyscale; convert it or use 3 channels"
    )


def resize_picture(picture: Array, target: tuple[int, int], keep_aspect: bool) -> Array:
    """Bilinear with antialiasing, per channel; 16 bit and float in float32."""
    height, width = picture.shape[:2]
    if (height, width) == target:
        return picture
    inner = target
    if keep_aspect:
        scale = min(target[0] / height, target[1] / width)
        inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    planes = [picture] if picture.ndim == 2 else [picture[..., c] for c in range(3)]
    parts = [_plane(p, inner) for p in planes]
    if inner != target:
        top, left = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
        margins = ((top, target[0] - inner[0] - top), (left, target[1] - inner[1] - left))
        parts = [np.pad(p, margins) for p in parts]
    return parts[0] if picture.ndim == 2 else np.stack(parts, axis=-1)


def _plane(plane: Array, size: tuple[int, int]) -> Array:
    image = Image.fromarray(plane)
    if plane.dtype == np.uint16:
        image = image.convert("F")  # Pillow resizes no 16-bit integers
    # Across, then down: in one call the order, and with it the rounding, depends on Pillow's version and on the shape.
    across = image.resize((size[1], image.height), Image.Resampling.BILINEAR)
    resized = np.asarray(across.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    if plane.dtype == np.uint16:
        resized = np.rint(resized)
    return resized.astype(plane.dtype)
