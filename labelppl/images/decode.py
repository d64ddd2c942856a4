"""One image file -> its pixels, resized where asked.

PNG, JPEG and TIFF through Pillow, 8 or 16 bit; DICOM through pydicom (see `dicom`). A pixel keeps
its stored value: nothing is stretched, equalised or converted without being asked for, because the
measured feature lives in those values. What cannot be kept is refused, with the path.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..arrays import Array
from ..errors import InputError
from .dicom import is_dicom, read_dicom

WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


def load_pixels(path: Path, size: tuple[int, int] | None, keep_aspect: bool) -> Array:
    """(height, width) or (height, width, 3) in uint8, uint16 or float32, in `size` if given.

    Raises InputError, naming the path, for a file that is missing, unreadable, of several frames or
    transparent.
    """
    pixels = decode(path)
    return pixels if size is None else resized(pixels, size, keep_aspect)


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


def decode(path: Path) -> Array:
    """(height, width) or (height, width, 3) in uint8, uint16 or float32."""
    if not path.is_file():
        raise InputError(f"{path}: no such image file; paths are relative to the cases table")
    try:
        if is_dicom(path):
            return read_dicom(path)
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{path}: got {image.n_frames} frames, expected a single image")  # type: ignore[attr-defined]
            image.load()
            return _array(path, ImageOps.exif_transpose(image))
    except InputError:
        raise
    except Exception as error:  # every decoder has its own exceptions; all mean "unreadable"
        raise InputError(
            f"{path}: cannot be read as an image ({' '.join(str(error).split())}); expected PNG, "
            "JPEG, TIFF or DICOM"
        ) from error


def _array(path: Path, image: Image.Image) -> Array:
    if image.mode in WIDE_MODES:
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > FULL_SCALE["uint16"]:
            raise InputError(f"{path}: got values {wide.min()}..{wide.max()}, expected 0..65535")
        return wide.astype(np.uint16)
    if image.mode == "F":
        floats = np.asarray(image, np.float32)
        if not np.isfinite(floats).all():
            raise InputError(f"{path}: got a pixel that is not finite, expected numbers")
        return floats
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            raise InputError(f"{path}: got a transparent image, expected opaque; flatten it")
        return _grey_if_grey(np.asarray(image.convert("RGB")))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode == "P":
        return _grey_if_grey(np.asarray(image.convert("RGB")))
    return np.asarray(image.convert("RGB"))


def _grey_if_grey(picture: Array) -> Array:
    """A palette or an alpha channel says nothing about colour; the values do."""
    grey = bool((picture == picture[..., :1]).all())
    return picture[..., 0] if grey else picture


def resized(picture: Array, target: tuple[int, int], keep_aspect: bool) -> Array:
    """Bilinear with antialiasing, per channel; 16 bit and float in float32."""
    height, width = picture.shape[:2]
    if (height, width) == target:
        return picture
    inner = target
    if keep_aspect:
        scale = min(target[0] / height, target[1] / width)
        inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    planes = [picture] if picture.ndim == 2 else [picture[..., c] for c in range(3)]
    done = [_plane(p, inner) for p in planes]
    if inner != target:
        top, left = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
        margins = ((top, target[0] - inner[0] - top), (left, target[1] - inner[1] - left))
        done = [np.pad(p, margins) for p in done]
    return done[0] if picture.ndim == 2 else np.stack(done, axis=-1)


def _plane(plane: Array, size: tuple[int, int]) -> Array:
    small = plane if plane.dtype == np.uint8 else plane.astype(np.float32)
    image = Image.fromarray(small).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    resized = np.asarray(image)
    if plane.dtype == np.uint16:
        resized = np.rint(resized)
    return resized.astype(plane.dtype)
