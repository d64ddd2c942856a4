"""Pairs of raters who agree: only those who share items are held, and each limit stands where its name says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from labelppl.crowds import VoteTable
from labelppl.crowds.dependence import LEAST_COMMON, LEAST_KAPPA, Agreement, _closest, agreement
from labelppl.crowds.map_em import map_em


def test_kappa_is_scikit_learns_on_the_common_items() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, (200, 4))
    table[:, 1] = np.where(rng.random(200) < 0.6, table[:, 0], table[:, 1])
    table[rng.random((200, 4)) < 0.3] = -1
    pairs = agreement(VoteTable.from_matrix(table, 3))
    assert sorted(zip(pairs.first, pairs.second, strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
    ]
    for a, b, kappa in zip(pairs.first, pairs.second, pairs.kappa, strict=True):
        both = (table[:, a] >= 0) & (table[:, b] >= 0)
        assert kappa == pytest.approx(cohen_kappa_score(table[both, a], table[both, b]))


@pytest.mark.parametrize(("common", "held"), [(LEAST_COMMON - 1, 0), (LEAST_COMMON, 1)])
def test_a_pair_needs_so_many_common_items(common: int, held: int) -> None:
    table = np.full((60, 2), -1)
    table[:common] = np.arange(common)[:, None] % 2
    table[40:50, 0] = 1
    assert len(agreement(VoteTable.from_matrix(table, 2)).first) == held


@pytest.mark.parametrize(("kappa", "joined"), [(LEAST_KAPPA, None), (LEAST_KAPPA + 1e-9, (0, 1))])
def test_raters_are_joined_above_the_least_kappa(
    kappa: float, joined: tuple[int, int] | None
) -> None:
    pairs = Agreement(np.array([0]), np.array([1]), np.array([kappa]))
    assert _closest(np.arange(3), pairs, LEAST_KAPPA) == joined


def test_a_thousand_raters_need_no_table_of_raters() -> None:
    """Each rater meets a few others: the pairs held are those who met, not half a million."""
    rng = np.random.default_rng(1)
    item = np.repeat(np.arange(2000), 3)
    rater = (item // 40 * 3 + np.tile(np.arange(3), 2000)) % 1000
    names = [tuple(map(str, range(size))) for size in (2000, 1000, 2)]
    pairs = agreement(VoteTable(item, rater, rng.integers(0, 2, 6000), *names))
    assert len(pairs.first) == 150


def test_em_reaches_its_best_mode_more_than_once_and_keeps_known_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    table = VoteTable.from_matrix(
        np.where(rng.random((200, 4)) < 0.8, y[:, None], 1 - y[:, None]), 2
    )
    checked = map_em(table, np.array([[3.0, 1.5], [1.5, 3.0]]))
    assert checked.reached >= 2
    assert not checked.problems
    known = np.where(np.arange(200) < 20, y, -1)
    probs = map_em(table, np.array([[3.0, 1.5], [1.5, 3.0]]), known).fit.probs
    assert np.array_equal(probs[:20].argmax(1), y[:20])
    assert probs[:20].max(1).min() == 1
