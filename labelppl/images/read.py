"""Image files into one array in memory, or, where that would be too large, to be decoded on demand.

One pass decodes every file (several threads, a bounded number of pictures at a time), checks that
all agree in size and depth, and keeps the pixels unless their total exceeds a limit; the pass then
goes on without keeping anything. How a single file is read: see `decode`.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import InputError
from .decode import FULL_SCALE, load_pixels, planes
from .files import Files
from .moments import Moments

Size = int | tuple[int, int] | None
THREADS = min(32, os.cpu_count() or 1)


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
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (channels, height, width)."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @property
    def full_scale(self) -> float:
        """The stored value that means 1."""
        return FULL_SCALE[self.depth]

    def take(self, index: Array | slice) -> Images:
        """Some of the images, (n,) integers, (images,) bool or a slice, which copies nothing."""
        where = np.arange(len(self))[index]
        return Images(self.pixels[index], tuple(self.ids[i] for i in where), self.keep_aspect)


class Opened(NamedTuple):
    """images: in memory, or the files alone. moments: of those that were to be measured."""

    images: Images | Files
    moments: Moments


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
    """Read image files into memory.

    size: side in pixels, or (height, width); None keeps the files' own, which must then agree.
    channels: 1 or 3; None takes 1 if every file is greyscale, else 3. keep_aspect: shrink to fit
    and pad with black on both sides, instead of stretching.

    Raises InputError, naming the path, for a file that is missing, unreadable, of several frames,
    transparent, coloured where one channel is asked for, or of another bit depth than the first.
    """
    images = open_images(paths, size=size, channels=channels, keep_aspect=keep_aspect).images
    assert isinstance(images, Images)
    return images


def check_images(paths: Sequence[Path | str], *, size: Size = None) -> Files:
    """Decode every file once and keep none. Raises InputError as `read_images` does."""
    files = open_images(paths, size=size, limit=-1).images
    assert isinstance(files, Files)
    return files


def open_images(
    paths: Sequence[Path | str],
    *,
    size: Size = None,
    channels: int | None = None,
    keep_aspect: bool = False,
    limit: float = math.inf,
    measured: Array | None = None,
) -> Opened:
    """`read_images`, where the pixels of all files exceed `limit` bytes without keeping any.

    measured: (files,) bool, the files that the moments are of; None: none.
    """
    files = tuple(Path(p) for p in paths)
    if not files:
        raise InputError("images: got no path, expected at least one image file")
    if channels not in (None, 1, 3):
        raise InputError(f"images: channels: got {channels}, expected 1 or 3")
    target = _check_size(size)
    wide = channels or 1
    shape: tuple[int, ...] = ()
    kind = np.dtype(np.uint8)
    batch: Array | None = None
    moments = Moments()
    for row, picture in enumerate(_decode_all(files, target, keep_aspect)):
        path = files[row]
        if row == 0:
            shape, kind = picture.shape[:2], picture.dtype
            batch = _room(len(files), wide, shape, kind, limit)
        if picture.dtype != kind:
            raise InputError(
                f"{path}: got {picture.dtype} pixels, expected {kind} as in {files[0]}; "
                "convert the images to one bit depth"
            )
        if picture.shape[:2] != shape:
            raise InputError(
                f"{path}: got {_words(picture.shape)} pixels, expected {_words(shape)} as in "
                f"{files[0]}; give an image size"
            )
        if channels is None and picture.ndim == 3 and wide == 1:
            wide, grey = 3, batch
            batch = None if grey is None else _room(len(files), wide, shape, kind, limit)
            if batch is not None and grey is not None:
                batch[:row] = grey[:row]
            del grey
        flat = planes(path, picture, wide)
        if measured is not None and measured[row]:
            moments.add(flat if picture.ndim == 3 else flat[:1])
        if batch is not None:
            batch[row] = flat
    if batch is not None:
        return Opened(Images(batch, tuple(str(f) for f in files), keep_aspect), moments)
    height, width = shape
    return Opened(Files(files, target, keep_aspect, (wide, height, width), kind.name), moments)


def _room(
    images: int, channels: int, shape: tuple[int, ...], kind: np.dtype[Any], limit: float
) -> Array | None:
    """Where all images fit into `limit` bytes, their array."""
    if images * channels * math.prod(shape) * kind.itemsize > limit:
        return None
    return np.empty((images, channels, *shape), kind)


def _decode_all(
    files: Sequence[Path], size: tuple[int, int] | None, keep_aspect: bool
) -> Iterator[Array]:
    """Every picture in its turn; no more than a few per thread exist at a time."""
    with ThreadPoolExecutor(THREADS) as pool:
        rest = iter(files)

        def begin(some: int) -> Iterator[Future[Array]]:
            return (
                pool.submit(load_pixels, path, size, keep_aspect) for path in islice(rest, some)
            )

        waiting = deque(begin(2 * THREADS))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(begin(1))
        finally:
            pool.shutdown(cancel_futures=True)


def _check_size(size: Size) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise InputError(f"images: size: got {size}, expected a positive number of pixels")
    return height, width


def _words(shape: Sequence[int]) -> str:
    return f"{shape[0]}x{shape[1]}"
