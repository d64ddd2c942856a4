"""`Votes`: which rater chose which class, any number of raters per case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from ..errors import InputError
from .base import Column, Rows
from .codes import as_text
from .readers import ReaderFeature, name_list, sorted_names, statements


class Votes(ReaderFeature):
    """Class codes (cases, raters), -1 where a rater gave no vote; a case without any vote is not observed.

    ``Votes()`` takes its raters from the table, ``Votes("ann", "bob")`` fixes them. Read from a long table with the columns
    ``id, rater, label`` (or ``task, worker, label``): the main table, or ``<stem>_<feature>.csv`` beside it.
    """

    def said(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        return ("label",)

    @staticmethod
    def classes_in(frame: pd.DataFrame) -> tuple[str, ...]:
        """The classes that were voted for, sorted."""
        if "label" not in frame.columns:
            return ()
        return sorted_names(frame["label"].map(as_text, na_action="ignore"))

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        votes = statements(rows, name, self)
        if votes is None:
            raise InputError(
                f"feature '{name}': no votes in the table; expected the columns id, rater and label, or a table "
                f"<stem>_{name}.csv with them beside the cases table"
            )
        if "label" not in votes.frame.columns:
            found = ", ".join(map(str, votes.frame.columns))
            raise InputError(
                f"{votes.where}column 'label': not in the table; expected what each rater chose; the table has {found}"
            )
        own = Rows(votes.frame, rows.ids[votes.case], where=votes.where)
        cells = votes.frame["label"].map(as_text, na_action="ignore")
        codes = pd.Index(classes).get_indexer(pd.Index(cells))
        for row in np.flatnonzero(codes < 0):
            got = None if cells.isna().iloc[row] else cells.iloc[row]
            mend = (
                "remove the row if no vote was given, mend the cell, or add the class to the Label"
            )
            own.refuse("label", int(row), got, f"one of {name_list(classes)}", mend)
        table = np.full((len(rows.ids), len(votes.raters)), -1, dtype=np.int64)
        table[votes.case, votes.rater] = codes
        values = torch.from_numpy(table)
        return Column(values, (values >= 0).any(1), names=votes.raters)

    def describe(self) -> str:
        return "a class chosen by each rater"
