"""`VoteCounts`: how many raters chose each class, one column per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from ..arrays import Floats
from ..errors import InputError
from .base import Column, Feature
from .rows import Rows, first_values


class VoteCounts(Feature):
    """Counts (cases, classes) read from the columns ``<name>_<class>``; a row without any count has no votes.

    Examples:
        >>> VoteCounts().columns("votes", ("no", "yes"))
        ('votes_no', 'votes_yes')
    """

    def columns(self, name: str, classes: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{name}_{k}" for k in classes)

    @staticmethod
    def classes_in(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
        """The classes for which the table has a vote column, in the table's order."""
        prefix = f"{name}_"
        return tuple(str(c)[len(prefix) :] for c in frame.columns if str(c).startswith(prefix))

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        strangers = set(self.classes_in(rows.frame, name)) - set(classes)
        if strangers:
            raise InputError(
                f"column '{name}_{min(strangers)}': votes for a class the label does not have; "
                f"expected {', '.join(classes)}; rename the column or add the class to the Label"
            )
        counts = np.empty((len(rows), len(classes)))
        for k, column in enumerate(self.columns(name, classes)):
            counts[:, k], unread = rows.numbers(column, name)
            finite = np.isfinite(counts[:, k])
            whole = finite & (counts[:, k] >= 0) & (counts[:, k] == np.round(counts[:, k]))
            wrong = np.flatnonzero(unread | ~whole & ~np.isnan(counts[:, k]))
            if len(wrong):
                got = first_values(rows.cells(column, name), wrong)
                expected = "a whole number of votes, 0 or more"
                rows.refuse_all(column, wrong, got, expected, "mend the cell")
        missing = np.isnan(counts)
        for k, column in enumerate(self.columns(name, classes)):
            lost = np.flatnonzero(missing[:, k] & ~missing.all(1))
            if len(lost):
                expected = "a count, since other classes have one"
                rows.refuse_all(column, lost, [None] * len(lost), expected, "write 0 for no votes")
        return Column(torch.tensor(np.where(missing, 0.0, counts)), torch.tensor(~missing.any(1)))

    def vote_counts(self, column: Column, classes: int) -> Floats:
        return column.values.numpy()

    def describe(self) -> str:
        return "a whole number of votes for each class"


def vote_counts(
    features: Mapping[str, Feature], columns: Mapping[str, Column], classes: int
) -> Floats | None:
    """How many raters chose each class, from whichever feature of a table holds votes.

    Args:
        features: The label model's features by name.
        columns: The columns of a `Cases` table by name.
        classes: How many classes the label has.

    Returns:
        Counts (cases, classes) from the first `Votes` or `VoteCounts` feature, or None where there is none.

    Examples:
        >>> counts = Column(torch.tensor([[3.0, 1.0]]), torch.tensor([True]))
        >>> vote_counts({"read": VoteCounts()}, {"read": counts}, 2).tolist()
        [[3.0, 1.0]]
    """
    for name, feature in features.items():
        counts = feature.vote_counts(columns[name], classes)
        if counts is not None:
            return counts
    return None
