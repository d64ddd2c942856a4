"""The fitted cases as `LabelDensity.log_prob` runs over them: identical ones once, and by class or pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..features import Column
from ..table import Cases
from .collapse import distinct_cases
from .expand import Expansion, all_pairs, expand
from .missing import Relations
from .structure import Structure


@dataclass(frozen=True)
class WeightedPairs:
    """Pairs of a case and a class: first the labelled cases with theirs, then the others with every class.

    known, unknown: how often each labelled and each unlabelled case occurs (cases,).
    """

    rows: Expansion
    known: Tensor
    unknown: Tensor

    def total(self, joint: Tensor) -> Tensor:
        """Log density of all cases from that of the pairs (pairs,)."""
        labelled = len(self.known)
        total = (joint[:labelled] * self.known).sum()
        if labelled < len(joint):
            each = joint[labelled:].reshape(len(self.unknown), -1)
            total = total + (torch.logsumexp(each, -1) * self.unknown).sum()
        return total


@dataclass(frozen=True)
class Fitted:
    """The fitted cases, in two equal forms.

    every: all their pairs, for one run. pieces: the cases without missing parents, by class (None: unlabelled), with how
    often each occurs, for a run per class; others: the pairs of the remaining cases. different: how many cases are not
    repetitions. cells: numbers per row at the widest site.
    """

    every: WeightedPairs
    pieces: tuple[tuple[int | None, Mapping[str, Column], Tensor], ...]
    others: WeightedPairs | None
    different: int
    cells: int


def arrange(cases: Cases, structure: Structure, relations: Relations) -> Fitted:
    """The two forms of ``cases``."""
    cases, counts = distinct_cases(cases)

    def pairs(some: Cases, often: Tensor) -> WeightedPairs:
        known, unknown = np.flatnonzero(some.labels >= 0), np.flatnonzero(some.labels < 0)
        which, classes = all_pairs(unknown, len(some.classes))
        both = np.concatenate([known, which]), np.concatenate([some.labels[known], classes])
        return WeightedPairs(expand(some, structure, relations, both), often[known], often[unknown])

    which, patterns = relations.patterns(cases)
    plain = np.array([pattern.simple for pattern in patterns])[which]
    pieces: list[tuple[int | None, Mapping[str, Column], Tensor]] = []
    for k in np.unique(cases.labels[plain]):
        at = plain & (cases.labels == k)
        pieces.append((None if k < 0 else int(k), cases.take(at).columns, counts[at]))
    return Fitted(
        every=pairs(cases, counts),
        pieces=tuple(pieces),
        others=None if plain.all() else pairs(cases.take(~plain), counts[~plain]),
        different=len(cases),
        cells=max(column.cells for column in cases.columns.values()),
    )
