"""nll, brier, kl and the CORP decomposition: closed forms, conventions, identities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from labelppl.metrics.brier import brier
from labelppl.metrics.corp import corp, isotonic
from labelppl.metrics.kl import kl_dcic, kl_divergence
from labelppl.metrics.nll import nll


def test_nll_is_the_log_loss_and_is_floored(calibrated) -> None:
    probs, labels = calibrated(300, classes=3)
    assert nll(probs, labels) == pytest.approx(log_loss(labels, probs), abs=1e-12)
    assert nll([[1.0, 0.0]], [1]) == pytest.approx(12 * np.log(10))


def test_brier_of_two_classes_is_half_the_sum_over_classes(calibrated) -> None:
    probs, labels = calibrated(300)
    assert brier(probs, labels) == pytest.approx(brier_score_loss(labels, probs[:, 1]), abs=1e-12)
    both = np.square(probs - np.eye(2)[labels]).sum(axis=1).mean()
    assert 2 * brier(probs, labels) == pytest.approx(both, abs=1e-12)


def test_brier_of_many_classes_is_the_sum_and_takes_soft_labels(calibrated) -> None:
    probs, labels = calibrated(200, classes=4)
    target = np.eye(4)[labels]
    assert brier(probs, labels) == pytest.approx(np.square(probs - target).sum() / 200, abs=1e-12)
    assert brier(probs, target) == pytest.approx(brier(probs, labels), abs=1e-15)
    assert brier(probs, probs) == 0.0


def test_kl_is_zero_at_the_reference_and_equals_nll_for_one_hot(calibrated) -> None:
    probs, labels = calibrated(200, classes=3)
    assert kl_divergence(probs, probs) == 0.0
    assert kl_divergence(np.eye(3)[labels], probs) == pytest.approx(nll(probs, labels), abs=1e-12)


def test_kl_by_hand_and_eps_bounds_the_worst_case() -> None:
    expected = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5)
    assert kl_divergence([[0.25, 0.75]], [[0.5, 0.5]]) == pytest.approx(expected, abs=1e-15)
    assert kl_divergence([[0.0, 1.0]], [[1.0, 0.0]], eps=1e-3) == pytest.approx(3 * np.log(10))


def test_kl_dcic_clips_both_sides_without_renormalising() -> None:
    e = 1e-5
    expected = (1 - e) * np.log((1 - e) / e) + e * np.log(e / (1 - e))
    assert kl_dcic([[0.0, 1.0]], [[1.0, 0.0]]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_corp_is_exact(calibrated, classes: int) -> None:
    probs, labels = calibrated(150, classes)
    tied = np.round(probs * 4) + 0.1
    for p in (probs, tied / tied.sum(axis=1, keepdims=True)):
        parts = corp(p, labels)
        total = parts.miscalibration - parts.discrimination + parts.uncertainty
        assert total == pytest.approx(brier(p, labels), abs=1e-12)
        assert parts.score == pytest.approx(brier(p, labels), abs=1e-12)
        assert parts.miscalibration >= -1e-12
        assert parts.discrimination >= -1e-12


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_isotonic_is_the_max_min_of_block_means(rows: list[tuple[int, bool]]) -> None:
    forecast = np.array([r[0] / 6 for r in rows])
    outcome = np.array([float(r[1]) for r in rows])
    fit = isotonic(forecast, outcome)
    for x, value in zip(forecast, fit, strict=True):
        blocks = [
            [outcome[(forecast >= a) & (forecast <= b)].mean() for b in forecast if b >= x]
            for a in forecast
            if a <= x
        ]
        assert value == pytest.approx(max(min(means) for means in blocks), abs=1e-12)


def test_climatology_has_neither_miscalibration_nor_discrimination() -> None:
    labels = np.array([0, 0, 1, 0])
    parts = corp(np.tile([0.75, 0.25], (4, 1)), labels)
    assert parts.miscalibration == pytest.approx(0, abs=1e-15)
    assert parts.discrimination == pytest.approx(0, abs=1e-15)
    assert parts.uncertainty == pytest.approx(0.25 * 0.75)
