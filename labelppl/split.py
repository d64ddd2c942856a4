"""Training, validation and test cases: whole patients on one side of every cut, and one way to cut."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from .arrays import Array, Ints
from .errors import InputError
from .seeds import stream

SPLITS = ("train", "val", "test")
#: Share of the cases that are test cases, where the table does not say.
TEST_SHARE = 0.3
#: The cut is made from so many folds, or from as many as there are groups.
FOLDS = 10
#: How far from a whole number of folds a share may be to be rounded to it; others are cut from twice as many.
TENTH = 0.2
#: Fewer groups than this are all training cases.
FEWEST_GROUPS = 4


@dataclass(frozen=True)
class Cut:
    """How cases are cut where the table does not say it.

    Args:
        test_share: The share of the groups that is tested where there is no split.
        validation: The share of the training groups that is set aside where there is no validation case; 0: none.

    Raises:
        InputError: A share out of its range.

    Examples:
        >>> Cut(validation=0.2).record()
        {'test_share': 0.3, 'validation': 0.2}
    """

    test_share: float = TEST_SHARE
    validation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1:
            raise InputError(
                f"test share: got {self.test_share:g}, expected a number above 0 and below 1"
            )
        if not 0 <= self.validation < 1:
            raise InputError(
                f"validation: got {self.validation:g}, expected a share of 0 or more and below 1"
            )

    def record(self) -> dict[str, float]:
        """Both shares."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class LazySplit:
    """A split that is made when it is first looked at: most commands never look."""

    make: Callable[[], Array]

    @cached_property
    def sides(self) -> Array:
        """(cases,) train, val or test."""
        return self.make()

    def take(self, rows: Ints) -> LazySplit:
        """The sides of ``rows``, made with those of all cases."""
        return LazySplit(lambda: self.sides[rows])


def refuse_leak(groups: Array, split: Array) -> None:
    """A patient in two splits makes every test figure optimistic, so the table is refused."""
    across = pd.Series(split).groupby(groups).nunique()
    if (across > 1).any():
        group = across.index[across > 1][0]
        sides = ", ".join(sorted(set(split[groups == group])))
        raise InputError(
            f"column 'split': group '{group}' is in {sides}; expected one split per group; mend the split"
        )


def make_split(
    labels: Ints, groups: Array | None, seed: int, test_share: float = TEST_SHARE
) -> Array:
    """``train`` or ``test`` for each case: 30 % test, stratified by label, whole groups together, by seed.

    test_share: another share of the groups to test, to the nearest tenth, or twentieth where that is nearer.

    Fewer than four groups are all ``train``. Labels too rare to stratify by are spread as chance has it.
    """
    tenths = abs(FOLDS * test_share - round(FOLDS * test_share)) < TENTH
    number = min(
        FOLDS if tenths else 2 * FOLDS, len(labels) if groups is None else len(np.unique(groups))
    )
    split = np.full(len(labels), "train")
    if number < FEWEST_GROUPS:
        return split
    for held_out in held_out_folds(labels, groups, number, seed)[
        : max(1, round(test_share * number))
    ]:
        split[held_out] = "test"
    return split


def set_aside(split: Array, labels: Ints, groups: Array | None, share: float, seed: int) -> Array:
    """The split (cases,) with a ``share`` of its training groups as validation cases, stratified by label.

    Raises InputError where there are too few groups for that share.
    """
    train = np.flatnonzero(split == "train")
    some = None if groups is None else groups[train]
    number = max(2, round(1 / share))
    patients = len(train) if some is None else len(np.unique(some))
    if patients < number:
        raise InputError(
            f"cases: {patients} training groups, too few to set {share:g} of them "
            "aside for validation; add a val split or lower the share"
        )
    aside = held_out_folds(labels[train], some, number, seed)[0]
    split = split.copy()
    split[train[aside]] = "val"
    return split


def held_out_folds(labels: Ints, groups: Array | None, number: int, seed: int) -> list[Ints]:
    """The rows held out in each of ``number`` folds, stratified by ``labels`` (cases,), whole ``groups`` together.

    Where every case is a group of its own the cut is by label alone, which takes no time. Labels of which none is as
    frequent as there are folds are spread as chance has it. There must be as many groups as folds.
    """
    _, strata, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.max() < number:
        strata = np.zeros_like(strata)
    alone = groups is None or len(np.unique(groups)) == len(labels)
    splitter = StratifiedKFold if alone else StratifiedGroupKFold
    cut = splitter(n_splits=number, shuffle=True, random_state=stream(seed, "split").word())
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # A class with fewer members than folds is missing from some folds, which is what a small table can give.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return [held_out for _, held_out in cut.split(strata, strata, None if alone else groups)]
