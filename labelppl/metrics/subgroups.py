"""The same metrics by subgroup: `by/<column>/<value>/<metric>`.

A subgroup's interval is that of its own cases, with its own groups resampled. With many subgroups some
interval leaves the whole's value by chance; the note says how many to expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import InputError
from .bootstrap import LEVEL
from .collector import Collector
from .metric import Metric

MOST_SUBGROUPS = 20
"""Values of a column beyond which it is taken for a number or a name, not for subgroups."""


def measure_subgroups(
    out: Collector,
    by: Mapping[str, ArrayLike],
    metrics: Sequence[Metric],
    n_boot: int,
    seed: int,
) -> None:
    """Add to `out` the metrics of every value of every column of `by` (cases,).

    Raises InputError for a column of another length, one with a missing value, or one with more than
    20 values.
    """
    cases = len(out.scored)
    shown = [metric for metric in metrics if not metric.detail]
    compared = 0
    for column, members in by.items():
        values = np.asarray(members)
        if values.shape != (cases,):
            raise InputError(f"by {column}: got shape {values.shape}, expected ({cases},)")
        missing = pd.isna(values)
        if missing.any():
            raise InputError(
                f"by {column}, row {int(np.flatnonzero(missing)[0])}: got nothing, expected a value; "
                "fill the column, for example with unknown"
            )
        names = values.astype(str)
        kinds = np.unique(names)
        if len(kinds) > MOST_SUBGROUPS:
            raise InputError(
                f"by {column}: got {len(kinds)} values, expected at most {MOST_SUBGROUPS}; cut a number into "
                "ranges first"
            )
        for kind in kinds:
            member = np.asarray(names == kind)
            inner = Collector(out.scored.take(member))
            inner.measure(shown)
            inner.bootstrap(n_boot, seed)
            at = f"by/{column}/{kind}/"
            out.values[f"{at}n"] = float(member.sum())
            out.values.update({at + key: value for key, value in inner.values.items()})
            out.intervals.update({at + key: ends for key, ends in inner.intervals.items()})
            compared += len(inner.intervals)
    chance = compared * (1 - LEVEL)
    out.notes.append(
        f"subgroups: {compared} intervals are shown; of so many about {chance:.0f} miss their true "
        "value by chance alone"
    )
