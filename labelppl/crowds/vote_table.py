"""Votes in long form: which rater said what about which item, as many as there are.

The table that crowd tools share: one row per vote with the columns item (`id`), `rater`, `label`. Ints
are 0-based positions in `items`, `raters` and `classes`; an item without votes may be listed in `items`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..arrays import Floats, Ints
from ..errors import InputError


@dataclass(frozen=True)
class VoteTable:
    """Votes in long form: who said what about which item.

    Args:
        item: Position of each vote's item in ``items``, (votes,).
        rater: Position of its rater in ``raters``, (votes,).
        label: Position of the answer in ``classes``, (votes,).
        items: Names of the items; one without votes may be among them.
        raters: Names of the raters.
        classes: Names of the classes.
        weight: What each vote counts in what is said about its item, (votes,), as 1 / m for each of m raters who repeat
            each other; None counts every vote in full.

    Examples:
        >>> frame = pd.DataFrame({"id": ["a", "a", "b"], "rater": ["r", "s", "r"], "label": ["x", "y", "y"]})
        >>> votes = VoteTable.from_frame(frame)
        >>> votes.counts().tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """

    item: Ints
    rater: Ints
    label: Ints
    items: tuple[str, ...]
    raters: tuple[str, ...]
    classes: tuple[str, ...]
    weight: Floats | None = None

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        item: str = "id",
        rater: str = "rater",
        label: str = "label",
        items: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
    ) -> VoteTable:
        """Read a long table; `items` and `classes` fix names and order, else they are those found, sorted.

        Raises InputError for a missing column, an empty cell, or a name that is not among those fixed.
        """
        for name in (item, rater, label):
            if name not in frame.columns:
                columns = ", ".join(map(str, frame.columns))
                raise InputError(
                    f"column '{name}': not in the votes table; it has {columns}; rename one"
                )
            if frame[name].isna().any():
                row = int(np.flatnonzero(frame[name].isna())[0])
                raise InputError(
                    f"column '{name}', row {row + 1}: got an empty cell, expected a name; "
                    "a vote that was not given is left out of the table"
                )
        codes, names = {}, {}
        for name, fixed in ((item, items), (rater, None), (label, classes)):
            text = frame[name].astype(str).to_numpy()
            known = tuple(sorted(set(text))) if fixed is None else tuple(map(str, fixed))
            codes[name] = pd.Index(known).get_indexer(pd.Index(text)).astype(np.int64)
            names[name] = known
            if (codes[name] < 0).any():
                row = int(np.flatnonzero(codes[name] < 0)[0])
                raise InputError(
                    f"column '{name}', row {row + 1}: got '{text[row]}', expected one of "
                    f"{', '.join(known[:12])}; mend the cell or the declaration"
                )
        return cls(codes[item], codes[rater], codes[label], names[item], names[rater], names[label])

    @classmethod
    def from_matrix(cls, matrix: npt.ArrayLike, classes: int) -> VoteTable:
        """(items, raters) codes with -1 where a rater gave no vote."""
        table = np.asarray(matrix, dtype=np.int64)
        if table.ndim != 2 or table.max(initial=0) >= classes or table.min(initial=0) < -1:
            raise InputError(
                f"votes matrix {table.shape}: expected (items, raters) with -1 or 0 to {classes - 1}"
            )
        item, rater = np.nonzero(table >= 0)
        return cls(
            item.astype(np.int64),
            rater.astype(np.int64),
            table[item, rater],
            tuple(map(str, range(table.shape[0]))),
            tuple(map(str, range(table.shape[1]))),
            tuple(map(str, range(classes))),
        )

    def __len__(self) -> int:
        return len(self.item)

    def take(self, chosen: npt.NDArray[np.bool_]) -> VoteTable:
        """The votes where `chosen` (votes,) is True; items, raters and classes stay."""
        return VoteTable(
            self.item[chosen],
            self.rater[chosen],
            self.label[chosen],
            self.items,
            self.raters,
            self.classes,
            None if self.weight is None else self.weight[chosen],
        )

    def weigh_repeats(self, groups: Sequence[Sequence[int]]) -> VoteTable:
        """The same votes where those of the m raters of each group, codes, count 1 / m."""
        each = np.ones(len(self.raters))
        for group in groups:
            each[list(group)] = 1 / len(group)
        return replace(self, weight=each[self.rater])

    @property
    def total_weight(self) -> Floats:
        """How many votes each item has, by their weights, (items,)."""
        return np.bincount(self.item, self.weight, len(self.items)).astype(np.float64)

    def counts(self) -> Floats:
        """Votes for each class, (items, classes)."""
        n, k = len(self.items), len(self.classes)
        at = self.item * k + self.label
        return np.bincount(at, minlength=n * k).reshape(n, k).astype(np.float64)

    def spread(self, per_vote: Floats) -> Floats:
        """Sum of `per_vote` (votes, columns) over the votes of each item by their weights, (items, columns)."""
        n = len(self.items)
        if self.weight is not None:
            per_vote = per_vote * self.weight[:, None]
        return np.stack(
            [np.bincount(self.item, column, minlength=n) for column in per_vote.T], axis=1
        )

    def confusion_counts(self, weights: Floats) -> Floats:
        """Expected counts (raters, classes, votes) when item i is class k with weight `weights[i, k]`."""
        r, k = len(self.raters), len(self.classes)
        at = self.rater * k + self.label
        rows = [np.bincount(at, column, minlength=r * k) for column in weights[self.item].T]
        stacked: Floats = np.stack(rows).astype(np.float64)
        return stacked.reshape(weights.shape[1], r, k).swapaxes(0, 1)
