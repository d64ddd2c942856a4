"""The split of cases whose table does not name one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..split import Cut, LazySplit, make_split, set_aside
from .cases import Cases


def cut_cases(cases: Cases, cut: Cut, seed: int) -> Cases:
    """The cases with a cut in force; it is made when it is first looked at.

    Args:
        cases: The cases; a split that their table names stays.
        cut: The shares, for what the table does not name.
        seed: Of the cut.

    Returns:
        The same cases with another split.

    Raises:
        InputError: When the split is looked at, where there are too few groups for the share of validation cases.

    Examples:
        >>> cases = Cases(np.arange(40).astype(str), ("a", "b"), np.arange(40) % 2, {}, np.full(40, "train"))
        >>> cut = cut_cases(cases, Cut(test_share=0.2, validation=0.25), seed=0)
        >>> [int((cut.split == side).sum()) for side in ("train", "val", "test")]
        [24, 8, 8]
    """

    def sides() -> Array:
        split = np.array(cases.split) if cases.split_given else None
        if split is None:
            split = make_split(cases.labels, cases.groups, seed, cut.test_share)
        if cut.validation > 0 and not (split == "val").any():
            split = set_aside(split, cases.labels, cases.groups, cut.validation, seed)
        return split

    return replace(cases, split=LazySplit(sides))  # type: ignore[arg-type]
