"""Cases that are alike in everything the model sees are evaluated once and counted.

Two cases with the same label and the same entries in every column have the same density, so that

    sum_i f(z_i, y_i) = sum over different (z, y) of  n(z, y) f(z, y).

A table of votes of a few raters, of categories or of counts has few different rows, however many cases it has.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..table import Cases

#: Share of different rows above which counting them spares too little to be worth it.
COLLAPSE_WORTH = 0.8


def distinct_cases(cases: Cases) -> tuple[Cases, Tensor]:
    """The different cases, each as it first stands in the table, and how often each occurs (cases,)."""
    parts: list[Array] = [cases.labels.astype(np.float64)[:, None]]
    for column in cases.columns.values():
        for part in (column.values, column.observed, column.low, column.high):
            if part is not None:
                parts.append(part.reshape(len(cases), -1).double().numpy())
        if column.ballots is not None:
            parts.append(column.ballots.codes()[:, None].astype(np.float64))
    table = np.ascontiguousarray(np.concatenate(parts, 1))
    # Rows as bytes: NaN equals NaN; adding 0 makes -0 and 0 one.
    rows = (table + 0.0).view(np.dtype((np.void, table.itemsize * table.shape[1])))[:, 0]
    _, first, counts = np.unique(rows, return_index=True, return_counts=True)
    if len(first) > COLLAPSE_WORTH * len(cases):
        return cases, torch.ones(len(cases), dtype=torch.float64)
    order = np.argsort(first)
    return cases.take(first[order]), torch.from_numpy(counts[order].astype(np.float64))
