"""Named values: the `Label` itself, `Category` and `Ordinal` features; the model sees integer codes from 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..arrays import Array
from ..errors import InputError
from .base import Column, Feature
from .cells import EMPTY, clean_text, refuse_confusable
from .rows import Rows, first_values, is_filled
from .symmetries import check_symmetries


def read_codes(rows: Rows, name: str, names: Sequence[str], mend: str) -> Array:
    """Codes (cases,) int64 of the column's cells among ``names``; -1 where the cell is empty."""
    codes = rows.codes(name, name, names)
    cells = rows.names(name, name)
    unknown = np.flatnonzero(is_filled(cells) & (codes < 0))
    if len(unknown):
        rows.refuse_all(
            name, unknown, first_values(cells, unknown), f"one of {', '.join(names)}", mend
        )
    return codes


def check_names(kind: str, names: Sequence[object], least: int) -> tuple[str, ...]:
    """The declared names as text; InputError if too few, empty or repeated."""
    text = tuple(clean_text(str(name)) for name in names)
    if len(text) < least or any(not name.strip() for name in text):
        raise InputError(
            f"{kind}: got {text!r}, expected at least {least} names, none of them empty"
        )
    for name in text:
        if name in EMPTY:
            raise InputError(f"{kind}: the name {name!r} means an empty cell in a table; rename it")
    if len(set(text)) < len(text):
        raise InputError(f"{kind}: got {text!r}, expected different names; remove the repeated one")
    refuse_confusable(kind, text, "give them names that nobody can mistake")
    return text


class Label:
    """The class Y of a case.

    Args:
        classes: The classes, two or more, in the order of their codes. None takes them from the table: those of the
            votes where the model has votes, else the values of the label column, sorted.

    Raises:
        InputError: For one class, an empty name, or one that is named twice.

    Examples:
        >>> Label("normal", "dysplastic").classes
        ('normal', 'dysplastic')
    """

    def __init__(self, *classes: str) -> None:
        self.classes = check_names("Label", classes, 2) if classes else ()

    def __repr__(self) -> str:
        return f"Label({', '.join(map(repr, self.classes))})"


class Category(Feature):
    """A named value without an order; the model sees the codes 0, 1, …

    Args:
        names: The values, two or more, in the order of their codes.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For fewer than two names, an empty one, or one that is named twice.

    Examples:
        >>> Category("left", "right").describe()
        'one of left, right'
    """

    discrete = True

    def __init__(self, *names: str, symmetries: tuple[str, ...] = ()) -> None:
        self.names = check_names(type(self).__name__, names, 2)
        check_symmetries(type(self).__name__, symmetries)
        self.symmetries = symmetries

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        mend = "mend the cell or add the name to the model file"
        codes = torch.from_numpy(read_codes(rows, name, self.names, mend))
        return Column(codes.clamp(min=0), codes >= 0)

    def describe(self) -> str:
        return f"one of {', '.join(self.names)}"


class Ordinal(Category):
    """A named value with an order, lowest first; the model sees the codes 0, 1, …

    Args:
        names: The values, two or more, from the lowest to the highest.
        symmetries: Changes of the picture that leave it as it is: some of ``hflip``, ``vflip``, ``rot90``.

    Raises:
        InputError: For fewer than two names, an empty one, or one that is named twice.

    Examples:
        >>> Ordinal("none", "mild", "severe").describe()
        'one of none < mild < severe'
    """

    def describe(self) -> str:
        return f"one of {' < '.join(self.names)}"
