"""The split of each repeat: the table's own, or a new one where it has none.

All methods of a repeat share it. Checkpoints and lambda are chosen on validation cases, so where
the table names none, a share of the training groups is set aside, stratified by label. The test
cases never train, choose or label anything.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from ..errors import InputError
from ..split import make_split
from ..table import Cases


def split_of(cases: Cases, repeat: int, seed: int, validation: float) -> Cases:
    """The cases with the split of repeat `repeat` in force.

    validation: share of the training groups to set aside where the table has no validation case.
    Raises InputError where a split is empty or holds no label.
    """
    split = np.array(cases.split)
    if not cases.split_given:
        split = make_split(cases.labels, cases.groups, seed + repeat)
    if not (split == "val").any() and validation > 0:
        split = _set_aside(cases, split, seed + repeat, validation)
    held = replace(cases, split=split, split_given=True)
    for part in ("train", "test", *(("val",) if validation > 0 else ())):
        if not (held.labels[split == part] >= 0).any():
            raise InputError(
                f"cases: the {part} split has no labelled case, expected some; mend the split "
                "column or label more cases"
            )
    return held


def _set_aside(cases: Cases, split: np.ndarray, seed: int, share: float) -> np.ndarray:
    train = np.flatnonzero(split == "train")
    groups = train if cases.groups is None else cases.groups[train]
    folds = max(2, round(1 / share))
    if len(np.unique(groups)) < folds:
        raise InputError(
            f"cases: {len(np.unique(groups))} training groups, too few to set {share:g} of them "
            "aside for validation; add a val split or lower the share"
        )
    hard = cases.labels[train]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer cases than folds is missing from some folds, as in any small table.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        _, aside = next(iter(splitter.split(hard, hard, groups)))
    split = split.copy()
    split[train[aside]] = "val"
    return split
