"""Images of cases that may have several, opened as others and found again by case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..arrays import Array, Ints
from ..case_images import CaseImages, has_several, image_counts, paths_of_all
from ..records import digest, digest_of_files
from .files import Files
from .moments import Moments
from .read import Images, Size, open_images


@dataclass(frozen=True, eq=False)
class ImagesByCase:
    """images: of all cases, case after case. starts: (cases + 1,) where each case's images begin, and where the last end."""

    images: Images | Files
    starts: Ints

    @classmethod
    def of(cls, images: Images | Files, counts: Ints) -> ImagesByCase:
        """Of images in the order of the cases, `counts` (cases,) of them each."""
        return cls(images, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Ints:
        """How many images each case has, (cases,)."""
        return np.diff(self.starts)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (channels, height, width)."""
        return self.images.shape

    @property
    def depth(self) -> str:
        """uint8, uint16 or float32."""
        return self.images.depth

    @property
    def full_scale(self) -> float:
        """The stored value that means 1."""
        return self.images.full_scale

    @property
    def keep_aspect(self) -> bool:
        """How the images were resized."""
        return self.images.keep_aspect

    def take(self, index: Array | slice) -> ImagesByCase:
        """Some of the cases, (n,) integers, (cases,) bool or a slice."""
        cases = np.arange(len(self))[index]
        return self.of(self.images.take(rows_of_cases(self.starts, cases)), self.counts[cases])


def by_case(images: Images | ImagesByCase) -> ImagesByCase:
    """The same images, with one for each case where nothing else is said."""
    if isinstance(images, ImagesByCase):
        return images
    return ImagesByCase.of(images, np.ones(len(images), np.int64))


Pictures = Images | Files | ImagesByCase
"""Images with one for each case, or several."""


class OpenedCases(NamedTuple):
    """images: of all cases, in memory, or the files alone. moments: of those that were to be measured."""

    images: Pictures
    moments: Moments


def rows_of_cases(starts: Ints, cases: Ints) -> Ints:
    """The rows of the images of `cases` (n,), case after case."""
    parts = [np.arange(starts[i], starts[i + 1]) for i in cases]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def open_case_images(
    cases: Sequence[CaseImages],
    *,
    size: Size = None,
    channels: int | None = None,
    keep_aspect: bool = False,
    limit: float = math.inf,
    measured: Array | None = None,
) -> OpenedCases:
    """The images of cases, and the moments of those that are `measured`, (cases,) bool.

    The other arguments and what is raised are those of `labelppl.images.read.open_images`.
    """
    counts = image_counts(cases)
    images, moments = open_images(
        paths_of_all(cases),
        size=size,
        channels=channels,
        keep_aspect=keep_aspect,
        limit=limit,
        measured=None if measured is None else np.repeat(measured, counts),
    )
    return OpenedCases(ImagesByCase.of(images, counts) if has_several(cases) else images, moments)


def digest_of_images(cases: Sequence[CaseImages]) -> str:
    """SHA-256 over the contents of the files, and over which case each shows where one has several."""
    files = digest_of_files(paths_of_all(cases))
    return digest(image_counts(cases), np.array([files])) if has_several(cases) else files
