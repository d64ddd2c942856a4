"""With few cases the epochs are as many as the folds do not speak against."""

from __future__ import annotations

import numpy as np
import pytest

from labelppl.distillation.few import FLAT_CURVE, longest_of

THIRDS = np.full(3, 1 / 3)


def test_a_flat_curve_is_followed_to_its_end() -> None:
    rng = np.random.default_rng(0)
    curves = 0.65 + rng.normal(0, 0.005, (3, 40))
    curves[:, 12] -= 0.004
    curves[:, -1] = curves[:, 12] + [-0.02, 0.01, 0.02]
    assert longest_of(curves, THIRDS).epochs == 40


def test_a_curve_that_rises_in_every_fold_is_cut() -> None:
    falling, rising = np.linspace(0.7, 0.5, 6), np.linspace(0.6, 1.2, 20)
    curves = np.concatenate([falling, rising])[None] + np.array([[0.0], [0.1], [-0.1]])
    choice = longest_of(curves, THIRDS)
    assert choice.epochs == 6
    assert choice.nll[5] == pytest.approx(0.5)


def test_one_standard_error_is_the_limit() -> None:
    """Differences .01 - d, .01, .01 + d have the mean .01 and the standard error d / sqrt(3)."""
    for factor, epochs in ((1.01, 2), (0.99, 1)):
        d = 0.01 * np.sqrt(3) * factor
        curves = np.array([[0.5, 0.51 - d], [0.5, 0.51], [0.5, 0.51 + d]])
        assert longest_of(curves, THIRDS).epochs == epochs


def test_a_loss_that_shows_is_not_taken_for_noise() -> None:
    for loss, epochs in ((FLAT_CURVE * 0.99, 2), (FLAT_CURVE * 1.01, 1)):
        curves = np.array([[0.5, 0.5 + loss - 1], [0.5, 0.5 + loss], [0.5, 0.5 + loss + 1]])
        assert longest_of(curves, THIRDS).epochs == epochs


def test_folds_count_by_their_cases() -> None:
    curves = np.array([[0.5, 0.2], [0.5, 0.9]])
    assert longest_of(curves, np.array([0.9, 0.1])).nll == pytest.approx((0.5, 0.27))
