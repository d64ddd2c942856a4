"""`Votes`: which rater chose which class, any number of raters per case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ..arrays import Floats
from ..errors import InputError
from .ballots import Ballots
from .base import Column
from .cells import near_match
from .readers import RATER_NAMES, ReaderFeature, name_list, statements
from .rows import Rows, first_values


class Votes(ReaderFeature):
    """`Ballots`: for each vote its case, its rater and the code of the class; a case may have none.

    ``Votes()`` takes its raters from the table, ``Votes("ann", "bob")`` fixes them. Read from a long table with the columns
    ``id, rater, label`` (or ``task, worker, label``): the main table, or ``<stem>_<feature>.csv`` beside it.

    Args:
        raters: The raters' names, in the order of their codes; none takes them from the table.

    Raises:
        InputError: For an empty name, or one that is named twice.

    Examples:
        >>> Votes("ann", "bob").raters
        ('ann', 'bob')
    """

    def speaking_columns(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        return ("label",)

    @staticmethod
    def cells_in(rows: Rows) -> pa.Array | None:
        """The cells (rows,) with what was voted for, or None without such a column."""
        return rows.cells("label", "label") if "label" in rows.frame.columns else None

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        votes = statements(rows, name, self)
        if votes is None:
            columns = list(map(str, rows.frame.columns))
            near = next(filter(None, (near_match(one, columns) for one in RATER_NAMES)), None)
            mend = f"; the nearest to 'rater' is '{near}': rename it" if near else ""
            raise InputError(
                f"feature '{name}': no votes in the table; expected the columns id, rater and label, or a table "
                f"<stem>_{name}.csv with them beside the cases table{mend}"
            )
        columns = list(map(str, votes.rows.frame.columns))
        if "label" not in columns:
            near = near_match("label", columns)
            mend = f"; the nearest is '{near}': rename it" if near else ""
            raise InputError(
                f"{votes.rows.where}column 'label': not in the table; expected what each rater chose; the table has "
                f"{', '.join(columns)}{mend}"
            )
        codes = votes.rows.codes("label", name, classes)
        unknown = np.flatnonzero(codes < 0)
        if len(unknown):
            cells = votes.rows.names("label", name)
            mend = (
                "remove the row if no vote was given, mend the cell, or add the class to the Label"
            )
            votes.rows.refuse_all(
                "label", unknown, first_values(cells, unknown), f"one of {name_list(classes)}", mend
            )
        ballots = Ballots.of(votes.case, votes.rater, codes, len(rows.ids), len(votes.raters))
        return Column.of_ballots(ballots, votes.raters)

    def vote_counts(self, column: Column, classes: int) -> Floats:
        assert column.ballots is not None
        at = column.ballots.case.numpy() * classes + column.ballots.said.numpy()
        counts = np.bincount(at, minlength=len(column.ballots) * classes)
        return counts.reshape(-1, classes).astype(np.float64)

    def describe(self) -> str:
        return "a class chosen by each rater"
