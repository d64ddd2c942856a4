"""The cohort table: cases, labels, and what was not measured, by split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..arrays import Array
from ..split import SPLITS
from ..table import Cases


def cohort_of(cases: Cases) -> pd.DataFrame:
    """Cases, groups, labels by class, and missing and censored cells by column, for each split and for all.

    Args:
        cases: The cases.

    Returns:
        One row per item, with columns ``item``, ``train``, ``val``, ``test`` and ``all``: counts of cases.

    Examples:
        >>> from labelppl.features import Label, Real
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"y": ["a", "b", "a"], "x": [1.0, None, 3.0], "split": ["train", "train", "test"]})
        >>> cases = cases_from_frame(frame, "y", Label("a", "b"), {"x": Real()})
        >>> cohort_of(cases).set_index("item").loc["cases"].tolist()
        [2, 0, 1, 3]
    """
    split = np.asarray(cases.split)
    sides = {side: split == side for side in SPLITS} | {"all": np.ones(len(cases), dtype=bool)}
    rows: dict[str, Array] = {"cases": np.ones(len(cases), dtype=bool)}
    for k, name in enumerate(cases.classes):
        rows[f"label {name}"] = cases.labels == k
    rows["no label"] = cases.labels < 0
    for name, column in cases.columns.items():
        if column.ballots is not None:
            rows[f"{name}: no vote"] = (column.ballots.counts == 0).numpy()
            continue
        rows[f"{name}: missing"] = (~column.cases_observed & ~column.censored).numpy()
        if bool(column.censored.any()):
            rows[f"{name}: censored"] = column.censored.numpy()
    frame = pd.DataFrame(
        {side: [int((row & at).sum()) for row in rows.values()] for side, at in sides.items()}
    )
    frame.insert(0, "item", list(rows))
    if cases.groups is not None:
        groups = {
            side: len(np.unique(np.asarray(cases.groups)[at])) if at.any() else 0
            for side, at in sides.items()
        }
        frame = pd.concat(
            [frame.iloc[:1], pd.DataFrame([{"item": "groups", **groups}]), frame.iloc[1:]]
        )
    return frame.reset_index(drop=True)
