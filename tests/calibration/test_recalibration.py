"""temperature, platt, beta, isotonic, venn_abers and dirichlet."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.metrics import roc_auc_score

from labelppl.calibration import (
    MAPS,
    BetaMap,
    DirichletMap,
    IsotonicMap,
    Platt,
    Temperature,
    VennAbers,
)
from labelppl.calibration.pav import isotonic
from labelppl.errors import InputError
from labelppl.metrics.nll import nll


def sharpened(probs: Any, power: float) -> Any:
    raised = probs**power
    return raised / raised.sum(axis=1, keepdims=True)


# docs/methods.md §5: the identity map.
@pytest.mark.parametrize(
    "identity",
    [
        Temperature(1.0),
        Platt(1.0, 0.0),
        BetaMap(1.0, 1.0, 0.0),
        DirichletMap(np.eye(2), np.zeros(2)),
    ],
    ids=lambda map_: type(map_).__name__,
)
def test_identity(calibrated, identity) -> None:
    probs, _ = calibrated(50)
    assert np.abs(identity.transform(probs) - probs).max() < 1e-12


# docs/methods.md §5: AUC is unchanged by Platt (positive slope) and temperature.
@pytest.mark.parametrize("name", ["temperature", "platt", "beta"])
def test_auc_is_unchanged(calibrated, name: str) -> None:
    probs, labels = calibrated(300)
    fitted = MAPS[name]().fit(sharpened(probs, 3), labels).transform(sharpened(probs, 3))
    assert roc_auc_score(labels, fitted[:, 1]) == pytest.approx(
        roc_auc_score(labels, probs[:, 1]), abs=1e-12
    )


@pytest.mark.parametrize("name", MAPS)
def test_an_overconfident_classifier_is_repaired(calibrated, name: str) -> None:
    probs, labels = calibrated(2000)
    fitted = MAPS[name]().fit(sharpened(probs, 3), labels)
    test_probs, test_labels = calibrated(1000, seed=1)
    before = nll(sharpened(test_probs, 3), test_labels)
    after = nll(0.998 * fitted.transform(sharpened(test_probs, 3)) + 0.001, test_labels)
    best = nll(test_probs, test_labels)
    assert after - best < 0.15 * (before - best)


@pytest.mark.parametrize("name", MAPS)
def test_rows_stay_distributions_even_at_zero_and_one(calibrated, name: str) -> None:
    probs, labels = calibrated(100)
    probs[:4] = [[0, 1], [1, 0], [0, 1], [1, 0]]
    fitted = MAPS[name]().fit(probs, labels).transform(probs)
    assert np.isfinite(fitted).all()
    assert (fitted >= 0).all()
    assert np.abs(fitted.sum(axis=1) - 1).max() < 1e-12


def test_temperature_is_the_power_that_was_applied(calibrated) -> None:
    probs, labels = calibrated(20_000, classes=3)
    fitted = Temperature().fit(sharpened(probs, 2.5), labels)
    # Four standard errors of a one-parameter fit at this many cases.
    assert fitted.temperature == pytest.approx(2.5, rel=0.05)
    slope = [
        nll(sharpened(probs, 2.5 / t), labels)
        for t in (fitted.temperature * 0.999, fitted.temperature, fitted.temperature * 1.001)
    ]
    assert slope[1] < min(slope[0], slope[2])


def test_platt_minimises_the_loss_of_the_smoothed_targets(calibrated) -> None:
    probs, labels = calibrated(60)
    x = np.log(probs[:, 1] / probs[:, 0])
    ups = labels.sum()
    target = np.where(labels == 1, (ups + 1) / (ups + 2), 1 / (60 - ups + 2))
    found = minimize(
        lambda v: np.sum(np.logaddexp(0, v[0] * x + v[1]) - target * (v[0] * x + v[1])), [1.0, 0.0]
    )
    fitted = Platt().fit(probs, labels)
    assert fitted.slope == pytest.approx(found.x[0], abs=1e-4)
    assert fitted.intercept == pytest.approx(found.x[1], abs=1e-4)


def test_platt_stays_finite_on_separable_cases(binary) -> None:
    fitted = Platt().fit(binary([0.1, 0.2, 0.8, 0.9]), [0, 0, 1, 1])
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert fitted.transform(binary([0.9]))[0, 1] < 0.95


def test_beta_recovers_the_map_it_can_express(binary) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.8, 0.8, 40_000).clip(1e-4, 1 - 1e-4)
    truth = expit(0.6 * np.log(p) - 1.5 * np.log1p(-p) + 0.3)
    fitted = BetaMap().fit(binary(p), (rng.random(40_000) < truth).astype(int))
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx((0.6, 1.5, 0.3), abs=0.08)


def test_beta_drops_a_negative_coefficient(binary) -> None:
    p = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.2, 0.8])
    reversed_labels = [1, 1, 0, 0, 0, 1, 0]
    fitted = BetaMap().fit(binary(p), reversed_labels)
    assert fitted.a >= 0
    assert fitted.b >= 0
    assert fitted.transform(binary(p))[:, 1] == pytest.approx(np.full(7, 3 / 7), abs=1e-4)


def test_isotonic_is_the_monotone_fit_at_its_own_cases(calibrated) -> None:
    probs, labels = calibrated(200)
    fitted = IsotonicMap().fit(probs, labels).transform(probs)[:, 1]
    assert fitted == pytest.approx(isotonic(probs[:, 1], labels.astype(float)), abs=1e-12)


def test_venn_abers_brackets_its_own_value_and_a_naive_fit(calibrated) -> None:
    probs, labels = calibrated(80)
    test_probs, _ = calibrated(20, seed=1)
    fitted = VennAbers().fit(probs, labels)
    p0, p1 = fitted.interval(test_probs)
    value = fitted.transform(test_probs)[:, 1]
    assert (p0 <= value).all()
    assert (value <= p1).all()
    for i in (0, 7):
        for label, side in ((0, p0), (1, p1)):
            score = np.r_[probs[:, 1], test_probs[i, 1]]
            again = isotonic(score, np.r_[labels, label].astype(float))[-1]
            assert side[i] == pytest.approx(again, abs=1e-15)


def test_dirichlet_is_at_a_minimum_of_the_penalised_loss(calibrated) -> None:
    probs, labels = calibrated(200, classes=3)
    fitted = DirichletMap(off_diagonal=0.1, shift=0.2).fit(probs, labels)
    logs = np.log(probs)

    def loss(weight: Any, bias: Any) -> float:
        scores = log_softmax(logs @ weight.T + bias, axis=1)
        outside = weight[~np.eye(3, dtype=bool)]
        return (
            -scores[np.arange(200), labels].mean()
            + 0.1 * np.mean(outside**2)
            + 0.2 * np.mean(bias**2)
        )

    best = loss(fitted.weight, fitted.bias)
    # The slope of the penalised loss is nothing in every direction, by central differences.
    flat = np.concatenate([fitted.weight.ravel(), fitted.bias])
    for direction in np.eye(12):
        up, down = flat + 1e-5 * direction, flat - 1e-5 * direction
        slope = loss(up[:9].reshape(3, 3), up[9:]) - loss(down[:9].reshape(3, 3), down[9:])
        assert abs(slope / 2e-5) < 2e-4
    rng = np.random.default_rng(0)
    for _ in range(20):
        step = rng.normal(0, 1e-2, 12)
        assert loss(fitted.weight + step[:9].reshape(3, 3), fitted.bias + step[9:]) > best


def test_strong_penalty_leaves_a_diagonal_map(calibrated) -> None:
    probs, labels = calibrated(200, classes=3)
    fitted = DirichletMap(off_diagonal=1e4, shift=1e4).fit(probs, labels)
    assert np.abs(fitted.weight[~np.eye(3, dtype=bool)]).max() < 1e-3
    assert np.abs(fitted.bias).max() < 1e-3


def test_bad_calibration_cases_are_refused(calibrated) -> None:
    probs, labels = calibrated(20, classes=3)
    with pytest.raises(InputError, match="3 classes"):
        Platt().fit(probs, labels)
    with pytest.raises(InputError, match="class 1 only"):
        BetaMap().fit([[0.2, 0.8]], [1])
    with pytest.raises(InputError, match="expected 0 or more"):
        DirichletMap(shift=-1).fit(probs, labels)
    with pytest.raises(InputError, match="got 2 classes, expected 3"):
        DirichletMap().fit(probs, labels).transform([[0.2, 0.8]])


def test_beta_is_monotone_whatever_the_cases(binary) -> None:
    """Over 60 small samples a and b are never negative, however little."""
    fitted = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = rng.random(15)
        labels = (rng.random(15) < 0.5 + 0.2 * (p - 0.5)).astype(int)
        if 0 < labels.sum() < 15:
            fitted.append(BetaMap().fit(binary(p), labels))
    assert min(min(one.a, one.b) for one in fitted) == 0.0
    assert max(max(one.a, one.b) for one in fitted) > 0.5
    p = np.linspace(0.01, 0.99, 50)
    for one in fitted:
        assert (np.diff(one.transform(binary(p))[:, 1]) >= -1e-12).all()
