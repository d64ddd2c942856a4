"""`Cases`: n cases as the label model and the trainer see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..arrays import Array, Floats, Ints
from ..case_images import CaseImages, has_several, images_in_words
from ..facts import Facts, few_names
from ..features import Column
from ..split import LazySplit
from .files import Delimiters


class _Sides:
    """The field ``split``: an array, or a split that is made when it is first looked at."""

    def __get__(self, cases: Cases | None, owner: type[Cases]) -> Array:
        if cases is None:
            raise AttributeError("split")  # tells `dataclass` that the field has no default
        split = stored_split(cases)
        return split.sides if isinstance(split, LazySplit) else split

    def __set__(self, cases: Cases, split: Array | LazySplit) -> None:
        cases.__dict__["split"] = split


def stored_split(cases: Cases) -> Array | LazySplit:
    """The split of ``cases`` as it was given, without making it."""
    split: Array | LazySplit = cases.__dict__["split"]
    return split


@dataclass(frozen=True, repr=False)
class Cases(Facts):
    """n cases as the label model and the trainer see them; every array has the cases along its first axis.

    Args:
        ids: Names of the cases, (cases,), as text.
        classes: Names of the classes.
        labels: Codes of the classes, (cases,) int64; -1 where unlabelled.
        columns: The features by name, each a `Column`.
        split: ``train``, ``val`` or ``test``, (cases,).
        images: The path of each case's image, a tuple of paths where a case has several; None without an image column.
        groups: Patient of each case, (cases,), or None.
        p_true: True probabilities, (cases, classes), or None.
        path: The table on disk, or None when read from a frame.
        split_given: Whether the table had a column of the split.
        label_given: Whether the table had a column of the label.
        id_type: The numpy type of the ids in the table's own column, such as ``int64``, or ``str``.
        delimiters: How the table is written, if it is text.

    Examples:
        >>> cases = Cases(
        ...     np.array(["a", "b"]), ("x", "z"), np.array([1, -1]), {}, np.array(["train", "test"])
        ... )
        >>> cases.train.ids.tolist(), cases.labelled.tolist()
        (['a'], [True, False])
    """

    ids: Array
    classes: tuple[str, ...]
    labels: Ints
    columns: Mapping[str, Column]
    split: Array = _Sides()  # type: ignore[assignment]
    images: tuple[CaseImages, ...] | None = None
    groups: Array | None = None
    p_true: Floats | None = None
    path: Path | None = None
    split_given: bool = False
    label_given: bool = True
    id_type: str = "str"
    delimiters: Delimiters = field(default_factory=Delimiters)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Array | Sequence[int]) -> Cases:
        """The cases ``index`` (integers or a mask), in that order."""
        rows = np.asarray(index)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        at = torch.from_numpy(rows)
        split = stored_split(self)
        return Cases(
            ids=self.ids[rows],
            classes=self.classes,
            labels=self.labels[rows],
            columns={name: column.take(at) for name, column in self.columns.items()},
            split=split.take(rows) if isinstance(split, LazySplit) else split[rows],  # type: ignore[arg-type]
            images=None if self.images is None else tuple(self.images[i] for i in rows),
            groups=None if self.groups is None else self.groups[rows],
            p_true=None if self.p_true is None else self.p_true[rows],
            path=self.path,
            split_given=self.split_given,
            label_given=self.label_given,
            id_type=self.id_type,
            delimiters=self.delimiters,
        )

    def facts(self) -> dict[str, str]:
        """How many cases, which classes, features and sides of the split."""
        counts = ((side, int((self.split == side).sum())) for side in ("train", "val", "test"))
        return {
            "cases": str(len(self)),
            "labelled": str(int(self.labelled.sum())),
            "classes": few_names(self.classes),
            "features": few_names(tuple(self.columns)) or "none",
            "split": ", ".join(f"{count} {side}" for side, count in counts if count),
            "images": self._images_in_words(),
        }

    def _images_in_words(self) -> str:
        if self.images is None:
            return "none"
        return images_in_words(self.images) if has_several(self.images) else str(len(self.images))

    @property
    def train(self) -> Cases:
        """The cases of the training split."""
        return self.take(self.split == "train")

    @property
    def val(self) -> Cases:
        """The cases of the validation split; may be empty."""
        return self.take(self.split == "val")

    @property
    def test(self) -> Cases:
        """The cases of the test split."""
        return self.take(self.split == "test")

    @property
    def labelled(self) -> Array:
        """(cases,) True where the label is known."""
        return self.labels >= 0
