"""Finished folds survive a restart exactly, and belong to one choice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from labelppl.distillation.folds import MOST_CASES, Folds, Followed
from labelppl.errors import InputError

IDENTITY = {"grid": (math.inf, 1.0), "seed": 3}


def test_scores_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    rng = np.random.default_rng(0)
    held, scores = np.array([4, 1, 7]), rng.normal(size=(2, 3)) / 3
    kept = Folds(path, IDENTITY)
    assert kept.scores(held) is None
    odds = rng.normal(size=(2, 3, 2))
    kept.add(held, Followed(scores, odds))
    kept.add(np.array([2]), Followed(scores[:, :1], odds[:, :1]))
    again = Folds(path, IDENTITY, resume=True)
    found = again.scores(held)
    assert found is not None
    np.testing.assert_array_equal(found, scores)
    for rows, said in (kept.log_odds(1), again.log_odds(1)):
        assert rows.tolist() == [4, 1, 7, 2]
        np.testing.assert_array_equal(said, np.concatenate([odds[1], odds[1, :1]]))
    assert again.scores(np.array([4, 1])) is None
    assert Folds(path, IDENTITY).scores(held) is None  # not resumed
    other = tmp_path / "none.json"
    Folds(other, IDENTITY, writes=False).add(held, Followed(scores, odds))
    assert not other.exists()


def test_another_choice_and_damage_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    Folds(path, IDENTITY).add(np.array([0]), Followed(np.ones((2, 1)), np.ones((2, 1, 2))))
    with pytest.raises(InputError, match="was made with seed = 3, not 4"):
        Folds(path, {**IDENTITY, "seed": 4}, resume=True)
    for text in ("{", "[]", '{"identity": {}}'):
        path.write_text(text)
        with pytest.raises(InputError, match="is not finished folds"):
            Folds(path, IDENTITY, resume=True)


def test_of_many_cases_some_log_odds_are_kept(tmp_path: Path) -> None:
    """The file stays small: a thousand cases for two classes, fewer for many; never none."""
    for cases, classes, most in (
        (MOST_CASES, 2, MOST_CASES),
        (MOST_CASES + 1, 2, MOST_CASES),
        (900, 500, 200),
    ):
        folds = Folds()
        folds.add(np.arange(cases), Followed(np.zeros((2, cases)), np.zeros((2, cases, classes))))
        rows, said = folds.log_odds(0)
        assert len(rows) == len(said)
        assert most / 2 <= len(rows) <= most
