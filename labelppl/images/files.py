"""Image files of one shape and depth that are decoded when they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import InputError
from .decode import FULL_SCALE, load_pixels, planes


@dataclass(frozen=True, eq=False)
class Files:
    """paths: of the files. size, keep_aspect: how each is resized, (height, width) or None.

    shape: of one image, (channels, height, width). depth: uint8, uint16 or float32. Both were found
    by decoding every file once; `load` holds each file to them.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int] | None
    keep_aspect: bool
    shape: tuple[int, int, int]
    depth: str

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def full_scale(self) -> float:
        """The stored value that means 1."""
        return FULL_SCALE[self.depth]

    @property
    def bytes(self) -> int:
        """What all pixels would take in memory."""
        return len(self) * math.prod(self.shape) * np.dtype(self.depth).itemsize

    def take(self, index: Array | slice) -> Files:
        """Some of the files, (n,) integers, (files,) bool or a slice."""
        where = np.arange(len(self))[index]
        return replace(self, paths=tuple(self.paths[i] for i in where))

    def load(self, row: int) -> Array:
        """The pixels (channels, height, width) of one file.

        Raises InputError, naming the path, where it cannot be read or has changed.
        """
        path = self.paths[row]
        picture = load_pixels(path, self.size, self.keep_aspect)
        if picture.dtype.name != self.depth or picture.shape[:2] != self.shape[1:]:
            height, width = picture.shape[:2]
            raise InputError(
                f"{path}: got {height}x{width} {picture.dtype} pixels, expected "
                f"{self.shape[1]}x{self.shape[2]} {self.depth} as when it was first read"
            )
        return planes(path, picture, self.shape[0])
