"""Training, validation and test cases: whole patients on one side of every cut."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from .arrays import Array
from .errors import InputError

SPLITS = ("train", "val", "test")


def refuse_leak(groups: Array, split: Array) -> None:
    """A patient in two splits makes every test figure optimistic, so the table is refused."""
    across = pd.Series(split).groupby(groups).nunique()
    if (across > 1).any():
        group = across.index[across > 1][0]
        found = ", ".join(sorted(set(split[groups == group])))
        raise InputError(
            f"column 'split': group '{group}' is in {found}; expected one split per group; mend the split"
        )


def make_split(labels: Array, groups: Array | None, seed: int) -> Array:
    """``train`` or ``test`` for each case: 30 % test, stratified by label, whole groups together, by seed.

    Fewer than four groups are all ``train``. Labels too rare to stratify by are spread as chance has it.
    """
    own = np.arange(len(labels)) if groups is None else groups
    folds = min(10, len(np.unique(own)))
    split = np.full(len(labels), "train")
    if folds < 4:
        return split
    _, strata, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.max() < folds:
        strata = np.zeros_like(strata)
    cut = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # A class with fewer members than folds is missing from some folds, which is what a small table can give.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, test) in enumerate(cut.split(strata, strata, own)):
            if fold < round(0.3 * folds):
                split[test] = "test"
    return split
