"""`Ranking`: a reader's partial order over the classes, such as a differential diagnosis, with ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..errors import InputError
from .base import Column, Rows
from .codes import as_text
from .readers import ReaderFeature, Statements, name_list, statements


class Ranking(ReaderFeature):
    """Ranks (cases, raters, classes): 1 is a reader's first choice, equal ranks are ties, 0 is unranked.

    A cell reads ``melanoma > nevus = keratosis``: likeliest first, ``=`` for ties; classes not named stand below those
    named, in no stated order. One reader: the column ``<feature>`` of the cases table. Several: a long table with the
    columns ``id, rater, ranking``, which is the main table or ``<stem>_<feature>.csv`` beside it. A reader who said nothing
    about a case has all ranks 0.
    """

    def said(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        return ("ranking",)

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        found = statements(rows, name, self)
        if found is None:
            cells = rows.column(name, name)
            raters = self.raters or ("reader",)
            if len(raters) > 1:
                raise InputError(
                    f"feature '{name}': {len(raters)} raters are declared, but the table has one column '{name}'; expected a "
                    "table with the columns id, rater, ranking"
                )
            every = np.arange(len(cells))
            found = Statements(name, rows.frame, every, np.zeros_like(every), raters, rows.where)
            column, refuse = name, rows.refuse
        else:
            column = "ranking"
            rows_of_long = Rows(found.frame, rows.ids[found.case], where=found.where)
            cells, refuse = rows_of_long.column(column, name), rows_of_long.refuse
        ranks = np.zeros((len(rows.ids), len(found.raters), len(classes)))
        for row in np.flatnonzero(cells.notna().to_numpy()):
            text = as_text(cells.iloc[row])
            parsed = _parse(text, classes)
            if isinstance(parsed, str):
                expected = f"an order such as '{classes[0]} > {classes[1]}' of {name_list(classes)}"
                refuse(column, int(row), text, expected, parsed)
            ranks[found.case[row], found.rater[row]] = parsed
        values = torch.from_numpy(ranks)
        return Column(values, (values > 0).flatten(1).any(1), names=found.raters)

    def describe(self) -> str:
        return "an order of the classes, likeliest first, such as 'a > b = c'"


def _parse(text: str, classes: Sequence[str]) -> list[int] | str:
    """Ranks by class, or how to mend the cell."""
    ranks = [0] * len(classes)
    for place, tied in enumerate(text.split(">"), 1):
        for part in tied.split("="):
            named = part.strip()
            if named not in classes:
                return (
                    f"'{named}' is no class; mend the cell"
                    if named
                    else "a name is missing; mend the cell"
                )
            if ranks[classes.index(named)]:
                return f"'{named}' is named twice; keep one"
            ranks[classes.index(named)] = place
    return ranks
