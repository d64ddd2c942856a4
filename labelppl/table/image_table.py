"""A table that names images: the column ``image``, and ids where it has them; labels and measurements are not looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..features.rows import NO_ID, Rows
from .files import Delimiters, open_table
from .ids import id_type_of, read_ids, typed_ids
from .roles import image_paths


def read_image_table(
    path: Path, delimiters: Delimiters | None = None
) -> tuple[Array, tuple[Path, ...]]:
    """The ids (images,) of a table, in their own type, and the images' paths, relative to the table.

    Where there is no column ``id``, an image's id is its path as written. Raises InputError for a table without the column
    ``image``, an empty cell, or an id that is there twice.
    """
    file = open_table(path, delimiters)
    frame = file.frame()
    if "image" not in frame.columns:
        raise InputError(
            f"{path}: has no column 'image' (it has {', '.join(map(str, frame.columns))}); expected the path of each image, "
            "relative to the table"
        )
    nameless = Rows(frame, np.full(len(frame), NO_ID))
    images = image_paths(nameless, path)
    assert images is not None
    if "id" not in frame.columns:
        return np.array([str(name) for name in frame["image"]]), images
    ids = read_ids(nameless, named=True)
    return typed_ids(ids, id_type_of(nameless, file.guesses_types)), images
