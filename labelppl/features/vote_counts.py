"""`VoteCounts`: how many raters chose each class, one column per class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from ..errors import InputError
from .base import Column, Feature, Rows


class VoteCounts(Feature):
    """Counts (cases, classes) read from the columns ``<name>_<class>``; a row without any count has no votes."""

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
        counts = np.empty((len(rows.frame), len(classes)))
        for k, column in enumerate(self.columns(name, classes)):
            cells = rows.column(column, name)
            counts[:, k] = pd.to_numeric(cells, errors="coerce").to_numpy(
                dtype=np.float64, na_value=np.nan
            )
            wrong = np.isnan(counts[:, k]) & cells.notna().to_numpy()
            with np.errstate(invalid="ignore"):
                wrong |= (counts[:, k] < 0) | (np.mod(counts[:, k], 1) != 0) & ~np.isnan(
                    counts[:, k]
                )
            for row in np.flatnonzero(wrong):
                rows.refuse(
                    column,
                    int(row),
                    cells.iloc[row],
                    "a whole number of votes, 0 or more",
                    "mend the cell",
                )
        missing = np.isnan(counts)
        for row in np.flatnonzero(missing.any(1) & ~missing.all(1)):
            column = self.columns(name, classes)[int(np.flatnonzero(missing[row])[0])]
            rows.refuse(
                column,
                int(row),
                None,
                "a count, since other classes have one",
                "write 0 for no votes",
            )
        return Column(torch.tensor(np.where(missing, 0.0, counts)), torch.tensor(~missing.any(1)))

    def describe(self) -> str:
        return "a whole number of votes for each class"
