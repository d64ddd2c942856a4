"""The images that `predict` is given: files, folders of files, or one table that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..case_images import CaseImages, paths_of_all
from ..errors import InputError

#: Endings of the files that a folder of images is searched for.
IMAGES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".dcm", ".dicom",
)  # fmt: skip
#: Endings of tables, of images or of cases.
TABLES = (".parquet", ".csv", ".csv.gz", ".tsv")


@dataclass(frozen=True, eq=False)
class StatedImages:
    """Cases with what they are called in the table of predictions.

    ids: (cases,) of the table; else each image's path as given. cases: their images. sources: tables that they were read
    from.
    """

    ids: Array
    cases: tuple[CaseImages, ...]
    sources: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, case after case."""
        return paths_of_all(self.cases)


def stated_images(stated: Sequence[Path], separator: str | None = None) -> StatedImages:
    """The images behind the words of the command line.

    A folder stands for the image files in it and in its folders, in the order of their names. Raises InputError where a
    folder holds none, and for a table beside anything else.
    """
    tables = [path for path in stated if path.name.lower().endswith(TABLES) and not path.is_dir()]
    if tables and len(stated) > 1:
        raise InputError(
            f"{tables[0]}: is a table, which names its images itself; give it alone, or give image files and folders"
        )
    if tables:
        from ..table import Delimiters  # torch comes with it, which an ONNX file does without
        from ..table.image_table import read_image_table

        ids, images = read_image_table(tables[0], Delimiters(separator))
        if not images:
            raise InputError(f"{tables[0]}: has no row, expected one for each image")
        return StatedImages(ids, images, (tables[0],))
    paths: list[Path] = []
    for path in stated:
        paths += _images_in(path) if path.is_dir() else [path]
    return StatedImages(np.array([str(path) for path in paths]), tuple(paths))


def _images_in(folder: Path) -> list[Path]:
    inside = sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(IMAGES) and not path.name.startswith(".") and path.is_file()
    )
    if not inside:
        raise InputError(f"{folder}: holds no image; expected files ending in {', '.join(IMAGES)}")
    return inside
