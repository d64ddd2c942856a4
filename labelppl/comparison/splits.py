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
from ..split import Cut
from ..table import Cases, cut_cases


def seed_of(repeat: int, seed: int) -> int:
    """The seed of repeat `repeat`: the first is the user's own, so that it is what `distill` does with this seed."""
    return seed if repeat == 0 else stream(seed, "repeat", repeat).integer()


def split_of(cases: Cases, repeat: int, seed: int, cut: Cut) -> Cases:
    """The cases with the split of repeat `repeat` in force.

    Raises InputError where a split is empty or holds no label.
    """
    split = np.array(cut_cases(cases, cut, seed_of(repeat, seed)).split)
    held = replace(cases, split=split, split_given=True)
    for part in ("train", "test", *(("val",) if cut.validation > 0 else ())):
        if not (held.labels[split == part] >= 0).any():
            raise InputError(
                f"cases: the {part} split has no labelled case, expected some; mend the split "
                "column or label more cases"
            )
    return held
