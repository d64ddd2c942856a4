"""`training_cases`: the cases that a fit may see, or why there is nothing to fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from ..errors import InputError
from ..features import Feature, ReaderFeature, VoteCounts
from ..features.cells import near_match
from .cases import Cases
from .files import open_table


def training_cases(cases: Cases, label_name: str, features: Mapping[str, Feature]) -> Cases:
    """The training split, or all cases where the table has none.

    Warns where labels are expected and no training case has one.

    Args:
        cases: All cases.
        label_name: The label's column.
        features: The measurements by name.

    Returns:
        The cases that a fit may see.

    Raises:
        InputError: The split holds no training case, or the table has no label column and no rater says anything about
            the class.

    Examples:
        >>> split = np.array(["train", "test"])
        >>> cases = Cases(np.array(["a", "b"]), ("x", "z"), np.array([1, 0]), {}, split, split_given=True)
        >>> training_cases(cases, "y", {}).ids.tolist()
        ['a']
    """
    where = f"{cases.path}: " if cases.path is not None else ""
    training = cases.train if cases.split_given else cases
    if len(training) == 0:
        raise InputError(
            f"{where}column 'split': no case is 'train', expected at least one; a fit sees training cases alone; mend "
            "the column"
        )
    if any(isinstance(kind, ReaderFeature | VoteCounts) for kind in features.values()):
        return training
    if not cases.label_given:
        near = None
        if cases.path is not None:
            used = {c for name, kind in features.items() for c in kind.columns(name, cases.classes)}
            names = open_table(cases.path, cases.delimiters).names
            near = near_match(label_name, [name for name in names if name not in used])
        mend = f"the nearest is '{near}': rename it" if near else "add it"
        raise InputError(
            f"{where}column '{label_name}': not in the table, so no case is labelled, and nothing but the priors would tell "
            f"the classes apart; {mend}, with empty cells where the label is not known (all empty to fit without labels)"
        )
    if not training.labelled.any():
        warnings.warn(
            f"{where}column '{label_name}': empty in all {len(training)} training cases; nothing but the priors tells the "
            "classes apart",
            stacklevel=3,
        )
    return training
