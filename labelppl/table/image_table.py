"""A table that names images: the column ``image``, and ids where it has them; labels and measurements are not looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..case_images import CaseImages
from ..errors import InputError
from ..features.rows import NO_ID, Rows
from .files import Delimiters, open_table
from .ids import id_type_of, read_ids, read_image_rows, typed_ids
from .roles import IMAGE, image_paths


def read_image_table(
    path: Path, delimiters: Delimiters | None = None
) -> tuple[Array, tuple[CaseImages, ...]]:
    """The ids (cases,) of a table, in their own type, and the paths of their images, relative to the table.

    Where there is no column ``id``, a case's id is its path as written. Raises InputError for a table without the column
    ``image``, an empty cell, or an id that is there twice with one image.
    """
    file = open_table(path, delimiters)
    frame = file.frame()
    if "image" not in frame.columns:
        raise InputError(
            f"{path}: has no column 'image' (it has {', '.join(map(str, frame.columns))}); expected the path of each image, "
            "relative to the table"
        )
    nameless = Rows(frame, np.full(len(frame), NO_ID))
    case = read_image_rows(nameless)
    rows = nameless
    if case is not None:
        rows = replace(nameless, ids=case.ids, case=case.row, answers=frozenset({IMAGE}))
    images = image_paths(rows, path)
    assert images is not None
    if "id" not in frame.columns:
        return np.array([str(name) for name in frame["image"]]), images
    ids = read_ids(nameless, named=True) if case is None else case.ids
    return typed_ids(ids, id_type_of(rows, file.guesses_types)), images
