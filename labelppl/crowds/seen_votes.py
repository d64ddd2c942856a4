"""The votes of a crowd given its items' classes: how many were right, missed, and which wrong answer they were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from ..arrays import Floats, Ints
from .tables import Guests


@dataclass(frozen=True)
class SeenVotes:
    """The votes' counts, ready for draws of the strengths: right (J, K), missed (J, K) and wrong (J, K, K - 1).

    cells: where, in the flat (J, K), there are any.
    """

    right: Guests
    missed: Guests
    wrong: Guests
    cells: Ints

    @classmethod
    def of(cls, counts: Floats) -> SeenVotes:
        """From counts (raters, classes, answers)."""
        right, wrong = right_and_wrong(counts)
        cells = np.flatnonzero(counts.sum(2))
        return cls(Guests(right), Guests(wrong.sum(2)), Guests(wrong), cells)

    def log_evidence(self, a: Floats, b: Floats) -> Floats:
        """(J, K) log probability of right and missed under rates Beta(a, b) (J, K), up to a constant; 0 where there are none."""
        total: Floats = np.zeros(a.shape)
        a, b = a.ravel()[self.cells], b.ravel()[self.cells]
        right, missed = (guests.number.ravel()[self.cells] for guests in (self.right, self.missed))
        total.ravel()[self.cells] = betaln(a + right, b + missed) - betaln(a, b)
        return total


def right_and_wrong(counts: Floats) -> tuple[Floats, Floats]:
    """Right (raters, classes) and wrong (raters, classes, classes - 1) answers."""
    j, k, _ = counts.shape
    at = np.arange(k)
    return counts[:, at, at], counts[:, ~np.eye(k, dtype=bool)].reshape(j, k, k - 1)
