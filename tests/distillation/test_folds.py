"""Finished folds survive a restart exactly, and belong to one choice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from labelppl.distillation.folds import Folds
from labelppl.errors import InputError

IDENTITY = {"grid": (math.inf, 1.0), "seed": 3}


def test_scores_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    rng = np.random.default_rng(0)
    held, scores = np.array([4, 1, 7]), rng.normal(size=(2, 3)) / 3
    kept = Folds(path, IDENTITY)
    assert kept.scores(held) is None
    kept.add(held, scores)
    kept.add(np.array([2]), scores[:, :1])
    again = Folds(path, IDENTITY, resume=True)
    found = again.scores(held)
    assert found is not None
    np.testing.assert_array_equal(found, scores)
    assert again.scores(np.array([4, 1])) is None
    assert Folds(path, IDENTITY).scores(held) is None  # not resumed
    other = tmp_path / "none.json"
    Folds(other, IDENTITY, writes=False).add(held, scores)
    assert not other.exists()


def test_another_choice_and_damage_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    Folds(path, IDENTITY).add(np.array([0]), np.ones((2, 1)))
    with pytest.raises(InputError, match="was made with seed = 3, not 4"):
        Folds(path, {**IDENTITY, "seed": 4}, resume=True)
    for text in ("{", "[]", '{"identity": {}}'):
        path.write_text(text)
        with pytest.raises(InputError, match="is not finished folds"):
            Folds(path, IDENTITY, resume=True)
