"""`CaseBatches`: the cases of a table larger than memory, batch by batch, each checked as `cases_from_frame` checks them.

A first pass reads the ids alone (they must differ through the whole file, and their type is written into every batch of
labels), or counts the rows where there are none. What is held in memory is one batch and the ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..arrays import Array
from ..errors import InputError
from ..features import Feature, Label, ReaderFeature, Rows
from ..features.cells import near_match
from ..features.faults import BadCells
from ..features.rows import NO_ID
from .cases import Cases
from .classes import distinct_names
from .files import Delimiters, TableFile, open_table
from .ids import TEXT_IDS, id_type_of, read_ids, read_image_rows
from .read import read_rows
from .roles import BETWEEN_IMAGES, IMAGE


@dataclass(frozen=True)
class CaseBatches:
    """The cases of the table at ``path``, ``rows`` at a time: ids, labels and measurements, without images and patients.

    Args:
        path: CSV or Parquet, told by its content, with one row per case.
        label_name: The label's column; without it no case is labelled.
        label: Its classes.
        features: The measurements by name; not what raters said, which comes in several rows per case.
        rows: Rows of a batch.
        classes: Fixes the classes of an open ``Label()``.
        delimiters: How a text table is written.

    Raises:
        InputError: A column is missing, ids repeat, or cells cannot be read: the first ten of the file, and how many
            there are, after the last batch before them.

    Examples:
        >>> frame = pd.DataFrame({"id": ["a", "b", "c"], "y": ["x", "z", "x"], "size": [1.5, 2.5, 2.0]})
        >>> frame.to_csv("cases.csv", index=False)
        >>> batches = CaseBatches(Path("cases.csv"), "y", Label("x", "z"), {"size": Positive()}, rows=2)
        >>> [cases.ids.tolist() for cases in batches]
        [['a', 'b'], ['c']]
    """

    path: Path
    label_name: str
    label: Label
    features: Mapping[str, Feature]
    rows: int = 20_000
    classes: Sequence[str] | None = None
    delimiters: Delimiters = field(default_factory=Delimiters)

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise InputError(f"batches: got {self.rows} rows a batch, expected 1 or more")

    def __len__(self) -> int:
        """The rows of the file."""
        return self._file.rows

    def sample(self, most: int) -> Cases:
        """At most ``most`` cases, evenly spread over the file."""
        step = -(-len(self) // most)
        frames, before = [], 0
        for frame in self._file.batches(self._columns, self.rows):
            frames.append(frame[-before % step :: step])
            before += len(frame)
        ids, id_type = self._ids
        chosen = pd.concat(frames, ignore_index=True)
        rows = Rows(chosen, ids[::step], decimal=self.delimiters.decimal)
        try:
            return self._read(rows, id_type)
        except BadCells:
            for _ in self:  # which names the rows of the file
                continue
            raise

    def __iter__(self) -> Iterator[Cases]:
        columns = self._columns
        ids, id_type = self._ids
        refused: list[BadCells] = []
        before = 0
        for frame in self._file.batches(columns, self.rows):
            own = ids[before : before + len(frame)]
            rows = Rows(frame, own, before=before, decimal=self.delimiters.decimal)
            before += len(frame)
            try:
                cases = self._read(rows, id_type)
            except BadCells as error:
                refused.append(error)
            else:
                if not refused:
                    yield cases
        if refused:
            raise BadCells.join(refused)

    def _read(self, rows: Rows, id_type: str) -> Cases:
        return read_rows(
            rows,
            self.label_name,
            self._names,
            self.features,
            delimiters=self.delimiters,
            id_type=id_type,
        )

    @cached_property
    def _file(self) -> TableFile:
        file = open_table(self.path, self.delimiters)
        if file.rows == 0:
            raise InputError(f"{self.path}: no rows; expected at least one case")
        return file

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        """What the features need, and the label where there is one."""
        for name, feature in self.features.items():
            if isinstance(feature, ReaderFeature):
                raise InputError(
                    f"feature '{name}': what readers said comes in several rows per case, which cannot be labelled batch by "
                    "batch; use soft_labels"
                )
        needed = [
            c for name, kind in self.features.items() for c in kind.columns(name, self._names)
        ]
        present = self._file.names
        for column in needed:
            if column not in present:
                near = near_match(column, present)
                mend = f"the nearest is '{near}': rename it" if near else "add it"
                raise InputError(
                    f"{self.path}: column '{column}' is not in the table; it has {', '.join(present)}; {mend}"
                )
        label = [self.label_name] if self.label_name in present else []
        # A batch of no column at all would not say how many rows it has.
        return tuple(dict.fromkeys([*label, *needed])) or present[:1]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The classes."""
        if self.classes or self.label.classes:
            return tuple(self.classes or self.label.classes)
        frame = self._file.frame([self.label_name])
        cells = Rows(frame, np.full(len(frame), NO_ID)).cells(self.label_name, self.label_name)
        return distinct_names(f"column '{self.label_name}'", cells)

    @cached_property
    def _ids(self) -> tuple[Array, str]:
        """The id of every row of the file, and their type."""
        if "id" not in self._file.names:
            return np.arange(len(self)).astype(str), TEXT_IDS
        frame = self._file.frame(["id", IMAGE])
        rows = Rows(frame, np.full(len(frame), NO_ID))
        if read_image_rows(rows) is not None:
            raise InputError(
                f"{self.path}: has a row for each image, which cannot be labelled batch by batch; write one row for each "
                f"case, with '{BETWEEN_IMAGES}' between the paths of its images"
            )
        return read_ids(rows, named=True), id_type_of(rows, self._file.guesses_types)
