"""`Ranking`: a reader's partial order over the classes, such as a differential diagnosis, with ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..errors import InputError
from .base import Column
from .cells import as_text
from .readers import ReaderFeature, Statements, name_list, statements
from .rows import Rows, first_values, is_filled


class Ranking(ReaderFeature):
    """Ranks (cases, raters, classes): 1 is a reader's first choice, equal ranks are ties, 0 is unranked.

    A cell reads ``melanoma > nevus = keratosis``: likeliest first, ``=`` for ties; classes not named stand below those
    named, in no stated order. One reader: the column ``<feature>`` of the cases table. Several: a long table with the
    columns ``id, rater, ranking``, which is the main table or ``<stem>_<feature>.csv`` beside it. A reader who said nothing
    about a case has all ranks 0.

    Args:
        raters: The readers' names, in the order of their codes; none takes them from the table.

    Raises:
        InputError: For an empty name, or one that is named twice.

    Examples:
        >>> Ranking("ann", "bob").raters
        ('ann', 'bob')
    """

    def speaking_columns(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        return ("ranking",)

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        said = statements(rows, name, self)
        column = "ranking"
        if said is None:
            raters = self.raters or ("reader",)
            if len(raters) > 1:
                raise InputError(
                    f"feature '{name}': {len(raters)} raters are declared, but the table has one column '{name}'; expected a "
                    "table with the columns id, rater, ranking"
                )
            every, column = np.arange(len(rows)), name
            said = Statements(rows, every, np.zeros_like(every), raters)
        cells = said.rows.names(column, name)
        ranks = np.zeros((len(rows), len(said.raters), len(classes)))
        mends: dict[int, str] = {}
        for row in map(int, np.flatnonzero(is_filled(cells))):
            parsed = _parse(cells[row].as_py(), classes)
            if isinstance(parsed, str):
                mends[row] = parsed
            else:
                ranks[said.case[row], said.rater[row]] = parsed
        if mends:
            wrong = np.array(list(mends))
            expected = f"an order such as '{classes[0]} > {classes[1]}' of {name_list(classes)}"
            said.rows.refuse_all(
                column, wrong, first_values(cells, wrong), expected, lambda row: mends[row]
            )
        values = torch.from_numpy(ranks)
        return Column(values, (values > 0).flatten(1).any(1), names=said.raters)

    def describe(self) -> str:
        return "an order of the classes, likeliest first, such as 'a > b = c'"


def _parse(text: str, classes: Sequence[str]) -> list[int] | str:
    """Ranks by class, or how to mend the cell."""
    known = [as_text(name) for name in classes]
    ranks = [0] * len(classes)
    for place, tied in enumerate(text.split(">"), 1):
        for part in tied.split("="):
            named = as_text(part)
            if named not in known:
                return (
                    f"'{named}' is no class; mend the cell"
                    if named
                    else "a name is missing; mend the cell"
                )
            if ranks[known.index(named)]:
                return f"'{named}' is named twice; keep one"
            ranks[known.index(named)] = place
    return ranks
