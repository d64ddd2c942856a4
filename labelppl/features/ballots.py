"""`Ballots`: what raters said about the cases, in long form; nothing is stored for a rater who said nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..crowds import VoteTable


@dataclass(frozen=True, eq=False)
class Ballots:
    """The ballots of n cases, those of one case one after the other.

    Args:
        start: (cases + 1,) where the ballots of each case begin; those of case i are ``start[i]:start[i + 1]``.
        rater: (ballots,) codes below ``raters``, or ``raters`` itself for anyone else.
        said: (ballots, ...) what the rater said, such as the code of a class.
        raters: How many raters there are, of whom some may have said nothing.

    Examples:
        >>> ballots = Ballots.from_matrix([[0, 1, -1], [-1, -1, 1]])  # three raters, -1 where one gave no vote
        >>> ballots.start.tolist(), ballots.rater.tolist(), ballots.said.tolist()
        ([0, 2, 3], [0, 1, 2], [0, 1, 1])
    """

    start: Tensor
    rater: Tensor
    said: Tensor
    raters: int

    @classmethod
    def of(cls, case: Array, rater: Array, said: Array, cases: int, raters: int) -> Ballots:
        """From one row per ballot in any order: case, rater (ballots,) codes and said (ballots, ...)."""
        order = np.lexsort((rater, case))
        start = np.zeros(cases + 1, dtype=np.int64)
        start[1:] = np.bincount(case, minlength=cases).cumsum()
        by = torch.from_numpy(np.asarray(rater, dtype=np.int64)[order])
        return cls(torch.from_numpy(start), by, torch.from_numpy(np.asarray(said)[order]), raters)

    @classmethod
    def from_matrix(cls, matrix: Array | Tensor) -> Ballots:
        """Votes from a small table of codes (cases, raters), -1 where a rater gave none."""
        codes = np.asarray(matrix, dtype=np.int64)
        case, rater = np.nonzero(codes >= 0)
        return cls.of(case, rater, codes[case, rater], *codes.shape)

    @classmethod
    def everyone(cls, cases: int, raters: int) -> Ballots:
        """A ballot of every rater about every case, with code 0."""
        return cls.from_matrix(np.zeros((cases, raters), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def shape(self) -> torch.Size:
        """(cases, raters): the size of the table that is not stored."""
        return torch.Size((len(self), self.raters))

    @cached_property
    def counts(self) -> Tensor:
        """(cases,) how many ballots each case has."""
        return self.start.diff()

    @cached_property
    def case(self) -> Tensor:
        """(ballots,) the case that each ballot is about."""
        return torch.arange(len(self)).repeat_interleave(self.counts)

    def take(self, index: Tensor) -> Ballots:
        """The ballots of the cases ``index`` (rows,), in that order."""
        counts = self.counts[index]
        start = torch.zeros(len(index) + 1, dtype=torch.int64)
        start[1:] = counts.cumsum(0)
        inside = torch.arange(int(start[-1])) - start[:-1].repeat_interleave(counts)
        at = self.start[:-1][index].repeat_interleave(counts) + inside
        return Ballots(start, self.rater[at], self.said[at], self.raters)

    def of_raters(self, chosen: Tensor) -> Ballots:
        """Only the ballots of the raters for whom ``chosen`` (raters,) is True, or (raters + 1,) with anyone else last; the cases stay."""
        kept = chosen[self.rater]
        start = torch.zeros_like(self.start)
        start[1:] = torch.bincount(self.case[kept], minlength=len(self)).cumsum(0)
        return Ballots(start, self.rater[kept], self.said[kept], self.raters)

    def saying(self, said: Tensor) -> Ballots:
        """The same raters about the same cases, but with ``said`` (ballots, ...)."""
        return Ballots(self.start, self.rater, said, self.raters)

    def same_as(self, other: Ballots) -> Array:
        """(cases,) bool: whether each case has the same ballots in both."""
        equal = (self.counts == other.counts).numpy().copy()
        rows = torch.from_numpy(np.flatnonzero(equal))
        one, two = self.take(rows), other.take(rows)
        apart = (one.rater != two.rater) | (one.said != two.said).reshape(len(one.said), -1).any(-1)
        equal[rows[one.case[apart]].numpy()] = False
        return equal

    def codes(self) -> Array:
        """(cases,) a code for each case, the same for cases with the same ballots."""
        said = self.said.reshape(len(self.said), -1).double().numpy()
        rows = np.ascontiguousarray(np.column_stack([self.rater.double().numpy(), said]))
        edges = self.start.tolist()
        known: dict[bytes, int] = {}
        keys = (rows[a:b].tobytes() for a, b in pairwise(edges))
        return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)

    def table(self, items: Array, raters: tuple[str, ...], classes: tuple[str, ...]) -> VoteTable:
        """Votes as the numpy table of `labelppl.crowds`; items: (cases,) names."""
        names = raters or tuple(map(str, range(self.raters)))
        return VoteTable(
            self.case.numpy(),
            self.rater.numpy(),
            self.said.numpy().astype(np.int64),
            tuple(map(str, items)),
            names,
            classes,
        )
