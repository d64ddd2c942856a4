"""The split of each repeat: the table's own, or a new one where it has none.

All methods of a repeat share it. Checkpoints and lambda are chosen on validation cases, so where
the table names none, a share of the training groups is set aside, stratified by label. The test
cases never train, choose or label anything.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..seeds import stream
from ..split import TEST_SHARE, held_out_folds, make_split
from ..table import Cases


def seed_of(repeat: int, seed: int) -> int:
    """The seed of repeat `repeat`: the first is the user's own, so that it is what `distill` does with this seed."""
    return seed if repeat == 0 else stream(seed, "repeat", repeat).integer()


def split_of(
    cases: Cases, repeat: int, seed: int, validation: float, test_share: float = TEST_SHARE
) -> Cases:
    """The cases with the split of repeat `repeat` in force.

    validation: share of the training groups to set aside where the table has no validation case. test_share: share of
    the groups to test where it has no split.
    Raises InputError where a split is empty or holds no label.
    """
    split, own = np.array(cases.split), seed_of(repeat, seed)
    if not cases.split_given:
        split = make_split(cases.labels, cases.groups, own, test_share)
    if not (split == "val").any() and validation > 0:
        split = _set_aside(cases, split, own, validation)
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
    groups = None if cases.groups is None else cases.groups[train]
    number = max(2, round(1 / share))
    patients = len(train) if groups is None else len(np.unique(groups))
    if patients < number:
        raise InputError(
            f"cases: {patients} training groups, too few to set {share:g} of them "
            "aside for validation; add a val split or lower the share"
        )
    aside = held_out_folds(cases.labels[train], groups, number, seed)[0]
    split = split.copy()
    split[train[aside]] = "val"
    return split
