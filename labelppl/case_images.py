"""The image files of a case: one path, or a tuple of paths where the case has several images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .arrays import Ints

CaseImages: TypeAlias = Path | tuple[Path, ...]
"""The path of a case's image, or the paths of its images."""


def paths_of(images: CaseImages | str | Sequence[Path | str]) -> tuple[Path, ...]:
    """The files of one case, in order."""
    if isinstance(images, str | Path):
        return (Path(images),)
    return tuple(Path(path) for path in images)


def paths_of_all(
    cases: Iterable[CaseImages | str | Sequence[Path | str]],
) -> tuple[Path, ...]:
    """The files of all cases, case after case."""
    return tuple(path for images in cases for path in paths_of(images))


def image_counts(cases: Iterable[CaseImages | str | Sequence[Path | str]]) -> Ints:
    """How many images each case has, (cases,)."""
    return np.array([len(paths_of(images)) for images in cases], dtype=np.int64)


def has_several(cases: Iterable[CaseImages | str | Sequence[Path | str]]) -> bool:
    """Whether some case is given by a sequence of paths, not by one path."""
    return any(not isinstance(images, str | Path) for images in cases)


def images_in_words(cases: Sequence[CaseImages]) -> str:
    """How many images the cases have, such as `150 images of 60 cases (1 to 4 each)`."""
    counts = image_counts(cases)
    each = "none"
    if len(counts):
        least, most = int(counts.min()), int(counts.max())
        each = str(least) if least == most else f"{least} to {most}"
    return f"{int(counts.sum())} images of {len(counts)} cases ({each} each)"
