"""`Ballots`: votes in long form keep what a dense table would hold, and no more."""

from __future__ import annotations

import numpy as np
import torch

from labelppl.features import Ballots, Column, Real, VoteCounts, Votes, vote_counts

TABLE = np.array([[0, 1, -1], [-1, -1, -1], [1, 0, 2], [0, 1, -1]])


def dense(ballots: Ballots) -> np.ndarray:
    table = np.full(tuple(ballots.shape), -1)
    table[ballots.case, ballots.rater] = ballots.said
    return table


def test_ballots_hold_the_table_in_any_order_of_rows() -> None:
    case, rater = np.nonzero(TABLE >= 0)
    order = np.random.default_rng(0).permutation(len(case))
    made = Ballots.of(case[order], rater[order], TABLE[case, rater][order], 4, 3)
    assert np.array_equal(dense(made), TABLE)
    assert made.counts.tolist() == [2, 0, 3, 2]
    assert len(made.said) == 7


def test_cases_and_raters_are_taken() -> None:
    made = Ballots.from_matrix(TABLE)
    index = torch.tensor([3, 1, 0, 3])
    assert np.array_equal(dense(made.take(index)), TABLE[index])
    assert len(made.take(torch.tensor([], dtype=torch.int64))) == 0
    some = made.of_raters(torch.tensor([True, False, True]))
    assert np.array_equal(dense(some), np.where([True, False, True], TABLE, -1))
    column = Column.of_ballots(made, ("a", "b", "c")).take(index)
    assert column.ballots is not None
    assert column.values.tolist() == [2, 0, 2, 2]


def test_equal_ballots_are_recognised() -> None:
    made = Ballots.from_matrix(TABLE)
    assert made.codes().tolist() == [0, 1, 2, 0]
    other = TABLE.copy()
    other[0, 0], other[1, 2] = 1, 0
    assert made.same_as(Ballots.from_matrix(other)).tolist() == [False, False, True, True]


def test_the_numpy_table_has_the_same_votes() -> None:
    table = Ballots.from_matrix(TABLE).table(np.arange(4), (), ("x", "y", "z"))
    counts = np.stack([(k == TABLE).sum(1) for k in range(3)], 1)
    assert np.array_equal(table.counts(), counts)
    assert table.raters == ("0", "1", "2")


def test_memory_grows_with_the_votes_and_not_with_the_table() -> None:
    """A million cases by a million raters, two votes."""
    made = Ballots.of(
        np.array([5, 999_999]), np.array([999_999, 0]), np.array([1, 0]), 10**6, 10**6
    )
    numbers = made.start.numel() + made.rater.numel() + made.said.numel()
    assert numbers == 10**6 + 1 + 4


def test_votes_and_vote_counts_give_the_same_counts() -> None:
    """What `compare` and `distill` learn from, whichever way the table holds the votes."""
    counts = np.stack([(k == TABLE).sum(1) for k in range(3)], 1).astype(float)
    by_rater = {"v": Column.of_ballots(Ballots.from_matrix(TABLE))}
    by_class = {"v": Column(torch.from_numpy(counts), torch.ones(4, dtype=torch.bool))}
    assert np.array_equal(vote_counts({"v": Votes()}, by_rater, 3), counts)  # type: ignore[arg-type]
    assert np.array_equal(vote_counts({"v": VoteCounts()}, by_class, 3), counts)  # type: ignore[arg-type]
    assert vote_counts({"x": Real()}, {"x": by_class["v"]}, 3) is None
