"""Image files into one array in memory, decoded by several threads.

PNG, JPEG and TIFF through Pillow, 8 or 16 bit; DICOM through pydicom (see `dicom`). A pixel keeps
its stored value: nothing is stretched, equalised or converted without being asked for, because the
measured feature lives in those values. What cannot be kept is refused, with the path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from labelppl.errors import InputError
from labelppl.images.dicom import is_dicom, read_dicom

Array = np.ndarray[Any, Any]
Size = int | tuple[int, int] | None

WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@dataclass(frozen=True, eq=False)
class Images:
    """Decoded images. pixels: (images, channels, height, width) uint8, uint16 or float32.

    ids: one name per image, its path as given. keep_aspect: how they were resized.
    `pixels / full_scale` lies in [0, 1] for the integer types.
    """

    pixels: Array
    ids: tuple[str, ...]
    keep_aspect: bool = False

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype.name not in FULL_SCALE:
            raise InputError(
                f"images: got {self.pixels.dtype} of shape {self.pixels.shape}, expected uint8, "
                "uint16 or float32 of shape (images, channels, height, width)"
            )
        if len(self.ids) != len(self.pixels):
            raise InputError(f"images: got {len(self.ids)} ids for {len(self.pixels)} images")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def depth(self) -> str:
        """uint8, uint16 or float32."""
        return str(self.pixels.dtype.name)

    @property
    def full_scale(self) -> float:
        """The stored value that means 1."""
        return FULL_SCALE[self.depth]

    def take(self, index: Array) -> Images:
        """Some of the images, (n,) integers or (images,) bool."""
        where = np.arange(len(self))[index]
        return Images(self.pixels[where], tuple(self.ids[i] for i in where), self.keep_aspect)


def from_array(pixels: Array) -> Images:
    """Images already in memory: (images, height, width) or (images, channels, height, width).

    float64 becomes float32. Raises InputError for other types and for values that are not finite.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        row = int(np.argwhere(~np.isfinite(pixels))[0][0])
        raise InputError(f"images, row {row}: got a value that is not finite, expected numbers")
    return Images(pixels, tuple(str(i) for i in range(len(pixels))))


def read_images(
    paths: Sequence[Path | str],
    *,
    size: Size = None,
    channels: int | None = None,
    keep_aspect: bool = False,
) -> Images:
    """Read image files.

    size: side in pixels, or (height, width); None keeps the files' own, which must then agree.
    channels: 1 or 3; None takes 1 if every file is greyscale, else 3. keep_aspect: shrink to fit
    and pad with black on both sides, instead of stretching.

    Raises InputError, naming the path, for a file that is missing, unreadable, of several frames,
    transparent, coloured where one channel is asked for, or of another bit depth than the first.
    """
    files = [Path(p) for p in paths]
    if not files:
        raise InputError("images: got no path, expected at least one image file")
    if channels not in (None, 1, 3):
        raise InputError(f"images: channels: got {channels}, expected 1 or 3")
    target = _checked(size)

    def load(path: Path) -> Array:
        pixels = _decode(path)
        return pixels if target is None else _resized(pixels, target, keep_aspect)

    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        return _stack(files, pool.map(load, files), channels, keep_aspect)


def _stack(
    files: list[Path], decoded: Iterable[Array], channels: int | None, keep_aspect: bool
) -> Images:
    """Images of one shape, depth and number of channels, (height, width[, 3]) each, as a batch."""
    pictures: list[Array] = []
    for path, picture in zip(files, decoded, strict=True):
        first = pictures[0] if pictures else picture
        if picture.dtype != first.dtype:
            raise InputError(
                f"{path}: got {picture.dtype} pixels, expected {first.dtype} as in {files[0]}; "
                "convert the images to one bit depth"
            )
        if picture.shape[:2] != first.shape[:2]:
            raise InputError(
                f"{path}: got {_words(picture)} pixels, expected {_words(first)} as in "
                f"{files[0]}; give an image size"
            )
        pictures.append(picture)
    if channels is None:
        channels = 1 if all(p.ndim == 2 for p in pictures) else 3
    height, width = pictures[0].shape[:2]
    batch = np.empty((len(pictures), channels, height, width), pictures[0].dtype)
    for row, (path, picture) in enumerate(zip(files, pictures, strict=True)):
        if picture.ndim == 2:
            batch[row] = picture
        elif channels == 3:
            batch[row] = picture.transpose(2, 0, 1)
        elif (picture == picture[..., :1]).all():
            batch[row, 0] = picture[..., 0]
        else:
            raise InputError(
                f"{path}: got a colour image, expected greyscale; convert it or use 3 channels"
            )
    return Images(batch, tuple(str(f) for f in files), keep_aspect)


def _checked(size: Size) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise InputError(f"images: size: got {size}, expected a positive number of pixels")
    return height, width


def _decode(path: Path) -> Array:
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
        return np.asarray(image, np.float32)
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


def _resized(picture: Array, target: tuple[int, int], keep_aspect: bool) -> Array:
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


def _words(picture: Array) -> str:
    return f"{picture.shape[0]}x{picture.shape[1]}"
