"""Maps fitted to soft labels and draws: every CHECK of docs/methods.md §10."""

import dataclasses
import importlib
import itertools
import pkgutil

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from labelppl.calibration import (
    MAPS,
    BetaMap,
    IsotonicMap,
    Platt,
    Temperature,
    VennAbers,
    choose_map,
)
from labelppl.calibration.base import Recalibration, soft_target
from labelppl.calibration.maps import applicable
from labelppl.calibration.pav import isotonic
from labelppl.calibration.temperature import BOUND
from labelppl.errors import InputError

Z = np.array([-3, -1, 0.5, 2])
T = expit(Z / 2)


def pair(p):
    return np.column_stack([1 - np.asarray(p), p])


def test_temperature_on_soft_labels_is_unbiased_where_votes_are_not() -> None:
    assert Temperature().fit(pair(expit(Z)), pair(T)).temperature == pytest.approx(2, abs=1e-9)
    for raters, expected in ((3, 1.29864), (5, 1.01689), (15, 0.58144)):
        majority = binom.sf(raters // 2, raters, T)
        fitted = Temperature().fit(pair(expit(Z)), pair(majority))
        assert fitted.temperature == pytest.approx(expected, abs=1e-5)


def test_one_label_per_case_drives_the_temperature_to_a_bound_as_often_as_it_should() -> None:
    low = high = 0.0
    for y in itertools.product((0, 1), repeat=4):
        chance = np.prod(np.where(y, T, 1 - T))
        fitted = Temperature().fit(pair(expit(Z)), np.array(y))
        low += chance * (fitted.temperature == pytest.approx(np.exp(-BOUND)))
        high += chance * (fitted.temperature == pytest.approx(np.exp(BOUND)))
        inside = 1.01 * np.exp(-BOUND) < fitted.temperature < 0.99 * np.exp(BOUND)
        assert fitted.at_bound == (not inside)
    assert (low, high) == pytest.approx((0.20915, 0.17210), abs=1e-5)


def test_draws_count_through_their_mean() -> None:
    draws = np.stack([pair(expit(Z / 1.5)), pair(expit(Z / 3))])
    each = [Temperature().fit(pair(expit(Z)), draw).temperature for draw in draws]
    assert each == pytest.approx([1.5, 3], abs=1e-8)
    together = Temperature().fit(pair(expit(Z)), draws).temperature
    assert together == pytest.approx(2.07739, abs=1e-5)
    weighted = 0.8 * draws[0] + 0.2 * draws[1]
    assert Temperature().fit(pair(expit(Z)), weighted).temperature == pytest.approx(
        1.70556, abs=1e-5
    )


def test_platt_and_beta_recover_the_temperature_without_smoothing() -> None:
    platt = Platt().fit(pair(expit(Z)), pair(T))
    assert (platt.slope, platt.intercept) == pytest.approx((0.5, 0), abs=1e-4)
    beta = BetaMap().fit(pair(expit(Z)), pair(T))
    assert (beta.a, beta.b, beta.c) == pytest.approx((0.5, 0.5, 0), abs=2e-3)


def test_isotonic_pools_soft_labels_and_is_not_linear_in_them() -> None:
    f, t = np.array([0.1, 0.3, 0.5, 0.8]), np.array([0.2, 0.15, 0.6, 0.7])
    fitted = IsotonicMap().fit(pair(f), pair(t)).transform(pair(f))[:, 1]
    assert fitted == pytest.approx([0.175, 0.175, 0.6, 0.7])
    expected = np.zeros(4)
    for y in itertools.product((0.0, 1.0), repeat=4):
        expected += np.prod(np.where(y, t, 1 - t)) * isotonic(f, np.array(y))
    assert expected == pytest.approx([0.09602, 0.18242, 0.56492, 0.80665], abs=5e-6)


def test_venn_abers_on_soft_labels_and_on_draws() -> None:
    f, t = np.array([0.2, 0.5, 0.8]), np.array([0.1, 0.6, 0.9])
    fitted = VennAbers().fit(pair(f), pair(t))
    p0, p1 = fitted.interval(pair([0.5]))
    assert (p0[0], p1[0]) == pytest.approx((0.3, 0.8))
    assert fitted.transform(pair([0.5]))[0, 1] == pytest.approx(0.53333, abs=5e-6)
    drawn = VennAbers().fit(pair(f), np.repeat(pair(t)[None], 3, axis=0))
    assert drawn.label.shape == (20, 3)
    assert set(np.unique(drawn.label)) <= {0.0, 1.0}


@pytest.mark.parametrize("name", MAPS)
def test_one_hot_soft_labels_are_hard_labels(calibrated, name: str) -> None:
    probs, labels = calibrated(60)
    hard = MAPS[name]().fit(probs, labels).transform(probs)
    soft = MAPS[name]().fit(probs, np.eye(2)[labels]).transform(probs)
    # Platt smooths hard labels alone.
    assert np.abs(hard - soft).max() < (0.06 if name == "platt" else 1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_a_record_gives_the_map_back(calibrated, name: str) -> None:
    probs, labels = calibrated(40)
    fitted = MAPS[name]().fit(probs, labels)
    again = MAPS[name].from_record(fitted.record())
    assert again.transform(probs) == pytest.approx(fitted.transform(probs), abs=1e-15)
    spoiled = {**fitted.record(), "more": 1.0}
    with pytest.raises(InputError, match="expected"):
        MAPS[name].from_record(spoiled)
    first = next(iter(fitted.record()))
    with pytest.raises(InputError, match="finite numbers"):
        MAPS[name].from_record({**fitted.record(), first: "x"})
    for value in (np.inf, [0.5, np.nan]):
        with pytest.raises(InputError, match="finite numbers"):
            MAPS[name].from_record({**fitted.record(), first: value})


def test_records_cannot_be_changed() -> None:
    """Every dataclass of the rooms of metrics and calibration is frozen."""
    records = [
        value
        for room in ("labelppl.metrics", "labelppl.calibration")
        for info in pkgutil.iter_modules(importlib.import_module(room).__path__)
        for value in vars(importlib.import_module(f"{room}.{info.name}")).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    ]
    assert len(records) > 15
    for record in records:
        assert record.__dataclass_params__.frozen, record.__name__


def test_the_choice_is_what_measures_better_and_nothing_where_nothing_does(calibrated) -> None:
    probs, labels = calibrated(1500)
    sharp = probs**3 / (probs**3).sum(axis=1, keepdims=True)
    chosen = choose_map(sharp, labels)
    assert chosen.mapping is not None
    assert min(chosen.losses, key=chosen.losses.get) == chosen.mapping.name
    assert choose_map(probs, labels).mapping is None
    assert applicable(2) == list(MAPS)
    assert applicable(3) == ["temperature", "dirichlet"]


def test_folds_keep_groups_together(calibrated) -> None:
    probs, labels = calibrated(40)
    with pytest.raises(InputError, match="got 4 independent"):
        choose_map(probs, labels, groups=np.arange(40) % 4)
    choose_map(probs, labels, groups=np.arange(40) % 5, names=["temperature"])


def test_a_map_of_ones_own_is_a_subclass(calibrated) -> None:
    class Half(Recalibration):
        name = "half"

        def fit(self, probs, reference):
            soft_target(probs, reference)
            return self

        def transform(self, probs):
            return 0.5 * probs + 0.25

    probs, labels = calibrated(10)
    assert Half().fit(probs, labels).transform(probs)[:, 1] == pytest.approx(
        0.5 * probs[:, 1] + 0.25
    )


def test_a_reference_that_does_not_fit_is_refused(calibrated) -> None:
    probs, _ = calibrated(10)
    with pytest.raises(InputError, match="expected \\(10,\\)"):
        Temperature().fit(probs, probs[:5])
    with pytest.raises(InputError, match="\\(draws, 10, 2\\)"):
        Temperature().fit(probs, np.zeros((3, 9, 2)))
    with pytest.raises(InputError, match="reference"):
        VennAbers().fit(probs, np.full((3, 10, 2), 0.7))
    with pytest.raises(InputError, match="draws, 10, 2"):
        VennAbers().fit(probs, np.full((3, 9, 2), 0.5))
    with pytest.raises(InputError, match="reference, row 0"):
        Temperature().fit(probs, probs * 2)
