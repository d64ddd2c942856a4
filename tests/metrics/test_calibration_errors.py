"""ece, debiased_ece, smece, mix_ece and their null band: every CHECK of the methods page."""

import numpy as np
import pytest
from scipy.stats import norm

from labelppl.errors import InputError
from labelppl.metrics.bins import bin_index
from labelppl.metrics.bootstrap import percentile_interval, reflected_interval
from labelppl.metrics.debiased_ece import debiased_ece, debiased_replicates
from labelppl.metrics.ece import ece, ece_replicates
from labelppl.metrics.intervals import Estimate, error_of
from labelppl.metrics.mix_ece import mix_ece_replica
from labelppl.metrics.null_band import draw_labels, null_band
from labelppl.metrics.scored import Scored
from labelppl.metrics.smece import SMECE, smece, smece_replicates
from labelppl.metrics.smoothing import MESH, STEPS, fixed_point, kernel_smooth, residual_mass
from labelppl.seeds import stream


def test_ece_equals_a_naive_loop_in_every_norm_and_quantity(calibrated) -> None:
    probs, labels = calibrated(300, classes=3)
    columns = {
        "top": [(probs.max(axis=1), probs.argmax(axis=1) == labels)],
        "classwise": [(probs[:, k], labels == k) for k in range(3)],
    }
    for quantity, pairs in columns.items():
        expected = {"l1": [], "l2": [], "max": []}
        for forecast, outcome in pairs:
            gaps, shares = [], []
            for b in range(7):
                upper = 1.1 if b == 6 else (b + 1) / 7
                inside = (forecast >= b / 7) & (forecast < upper)
                if inside.any():
                    gaps.append(abs(forecast[inside].mean() - outcome[inside].mean()))
                    shares.append(inside.mean())
            expected["l1"].append(np.dot(gaps, shares))
            expected["l2"].append(np.sqrt(np.dot(np.square(gaps), shares)))
            expected["max"].append(max(gaps))
        for norm_name, values in expected.items():
            found = ece(probs, labels, quantity=quantity, bins=7, norm=norm_name)
            assert found == pytest.approx(np.mean(values), abs=1e-12)


def test_bins_are_closed_below_and_the_last_one_above() -> None:
    forecast = np.array([0.0, 0.1, 0.29, 0.3, 0.7, 0.9, 0.999, 1.0])
    assert bin_index(forecast, 10).tolist() == [0, 1, 2, 3, 7, 9, 9, 9]
    edges = np.arange(100) / 100
    assert bin_index(edges, 100).tolist() == list(range(100))


def test_forecasts_of_exactly_zero_and_one_are_counted(binary) -> None:
    assert ece(binary([0.0, 0.0, 1.0, 1.0]), [1, 1, 0, 0]) == 1.0


def test_equal_mass_bins_hold_equal_counts(calibrated) -> None:
    forecast = np.random.default_rng(0).beta(2, 5, 500)
    assert np.bincount(bin_index(forecast, 10, "mass")).tolist() == [50] * 10
    assert np.unique(bin_index(np.full(9, 0.5), 10, "mass")).size == 1


def test_ece_against_soft_labels_measures_recovery(calibrated, binary) -> None:
    probs, _ = calibrated(100)
    assert ece(probs, probs) == 0.0
    assert ece(binary(np.full(4, 0.8)), binary(np.full(4, 0.7))) == pytest.approx(0.1)


# docs/methods.md §5: smECE of three constructions.
def test_smece_of_a_constant_forecast_is_its_gap(binary) -> None:
    labels = np.repeat([1, 0], [70, 30])
    assert smece(binary(np.full(100, 0.9)), labels) == pytest.approx(0.200, abs=1e-3)


def test_smece_of_saturated_forecasts(binary) -> None:
    forecast = np.repeat([0.98, 0.98, 0.02, 0.02], [370, 130, 370, 130])
    labels = np.repeat([1, 0, 0, 1], [370, 130, 370, 130])
    assert smece(binary(forecast), labels) == pytest.approx(0.238, abs=1e-3)


def test_smece_of_a_squared_truth_is_a_sixth(binary) -> None:
    rng = np.random.default_rng(0)
    f = rng.random(20_000)
    labels = (rng.random(20_000) < f**2).astype(int)
    assert smece(binary(f), labels) == pytest.approx(1 / 6, abs=0.01)


def test_smoothing_is_the_reflected_gaussian_kernel() -> None:
    forecast, residual = np.array([0.03, 0.4, 0.97]), np.array([0.5, -0.2, 0.3])
    mass = residual_mass(forecast, residual, np.ones((1, 3)))
    width = 0.06
    centre = (np.arange(MESH) + 0.5) / MESH
    images = np.concatenate([forecast, -forecast, 2 - forecast])
    kernel = norm.pdf(centre[:, None], images, width) @ np.tile(residual, 3) / 3
    smoothed = kernel_smooth(mass, width)[0] * MESH
    # Sharing a case between two cells blurs it by at most half a cell: (h/2σ)² of the peak.
    assert np.abs(smoothed - kernel).max() < (0.5 / MESH / width) ** 2 * np.abs(kernel).max()
    assert smoothed.mean() == pytest.approx(residual.mean(), abs=1e-12)


def test_smece_is_its_own_bandwidth(calibrated) -> None:
    probs, labels = calibrated(400)
    found = smece(probs, labels)
    residual = probs[:, 1] - (labels == 1)
    mass = residual_mass(probs[:, 1], residual, np.ones((1, 400)))
    error, width = fixed_point(mass)
    assert error[0] == found
    assert width[0] - 2 / STEPS < found <= width[0]
    assert np.abs(kernel_smooth(mass, float(width[0]))).sum() == pytest.approx(found, abs=1e-12)


def test_replicates_equal_the_error_of_the_repeated_cases(calibrated, binary) -> None:
    probs, labels = calibrated(90)
    weights = np.random.default_rng(2).multinomial(90, np.full(90, 1 / 90), 8).astype(float)
    f, o = probs[:, 1:], (labels == 1).astype(float)[:, None]
    found = [
        ece_replicates(f, o, weights),
        debiased_replicates(f, o, weights, norm="l2"),
        smece_replicates(f, o, weights),
    ]
    for b, w in enumerate(weights):
        rows = np.repeat(np.arange(90), w.astype(int))
        again = [
            ece(probs[rows], labels[rows]),
            debiased_ece(probs[rows], labels[rows], norm="l2"),
            smece(probs[rows], labels[rows]),
        ]
        for one, many in zip(again, found, strict=True):
            assert one == pytest.approx(many[b], abs=1e-12)


def test_debiased_l2_by_hand(binary) -> None:
    forecast = np.repeat([0.25, 0.75], [10, 10])
    labels = np.r_[np.repeat([1, 0], [5, 5]), np.repeat([1, 0], [5, 5])]
    square = 0.25**2 - 0.5 * 0.5 / 9
    assert debiased_ece(binary(forecast), labels, norm="l2") == pytest.approx(np.sqrt(square))


def test_debiased_l1_equals_the_resampling_it_replaces(calibrated) -> None:
    probs, labels = calibrated(500, seed=3)
    index = bin_index(probs[:, 1], 10)
    count = np.bincount(index)
    forecast = np.bincount(index, probs[:, 1]) / count
    rate = np.bincount(index, labels) / count
    rng = np.random.default_rng(0)
    draws = rng.normal(rate, np.sqrt(rate * (1 - rate) / count), (20_000, 10))
    again = (np.abs(forecast - draws) * count / 500).sum(axis=1)
    expected = max(2 * ece(probs, labels) - again.mean(), 0)
    assert expected > 0
    error = 4 * again.std() / np.sqrt(20_000)
    assert debiased_ece(probs, labels) == pytest.approx(expected, abs=error)


def test_debiasing_removes_most_of_the_noise_floor(calibrated) -> None:
    plain, fixed = [], []
    for seed in range(200):
        probs, labels = calibrated(200, seed=seed)
        plain.append(ece(probs, labels, norm="l2") ** 2)
        fixed.append(debiased_ece(probs, labels, norm="l2") ** 2)
    # The clamp at zero leaves a remainder; the plug-in carries the whole bias.
    assert np.mean(fixed) < 0.5 * np.mean(plain)


def test_debiased_refuses_soft_labels(calibrated) -> None:
    probs, _ = calibrated(10)
    with pytest.raises(InputError, match="use ece"):
        debiased_ece(probs, probs)


# docs/methods.md §5: noise floor of calibrated uniform scores, ten bins.
@pytest.mark.parametrize(
    ("cases", "mean", "upper"), [(48, 0.143, 0.201), (152, 0.080, 0.113), (256, 0.062, 0.088)]
)
def test_null_band_of_uniform_scores(binary, cases: int, mean: float, upper: float) -> None:
    rng = np.random.default_rng(0)
    bands = [null_band(binary(rng.random(cases)), draws=200, seed=s) for s in range(15)]
    assert np.mean([b.ece_mean for b in bands]) == pytest.approx(mean, abs=0.004)
    assert np.mean([b.ece_upper for b in bands]) == pytest.approx(upper, abs=0.008)


def test_null_band_equals_measuring_drawn_labels(calibrated) -> None:
    probs, _ = calibrated(60, classes=3)
    labels = draw_labels(probs, 50, stream(0, "null band").numpy())
    for quantity in ("top", "classwise"):
        band = null_band(probs, quantity=quantity, draws=50, seed=0)
        errors = [ece(probs, y, quantity=quantity) for y in labels]
        smooth_errors = [smece(probs, y, quantity=quantity) for y in labels]
        assert band.ece_mean == pytest.approx(np.mean(errors), abs=1e-12)
        assert band.ece_upper == pytest.approx(np.quantile(errors, 0.95), abs=1e-12)
        assert band.smece_mean == pytest.approx(np.mean(smooth_errors), abs=1e-12)


def test_drawn_labels_follow_the_forecasts() -> None:
    probs = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    labels = draw_labels(probs, 20_000, np.random.default_rng(0))
    shares = np.stack([(labels == k).mean(axis=0) for k in range(3)], axis=1)
    assert np.abs(shares - probs).max() < 4 * np.sqrt(0.25 / 20_000)
    assert shares[1].tolist() == [1.0, 0.0, 0.0]


# docs/methods.md §5: what MIX-ECE does, and why it is no calibration error.
def test_mix_ece_of_calibrated_forecasts_is_accuracy_minus_prevalence(binary) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1.2, 2.0, 40_000)
    labels = (rng.random(40_000) < p).astype(int)
    right = (p > 0.5) == labels
    assert ece(binary(p), labels) < 0.01
    assert mix_ece_replica(binary(p), labels) == pytest.approx(
        right.mean() - labels.mean(), abs=0.01
    )


def test_mix_ece_cannot_tell_flipped_from_right_when_classes_balance(binary) -> None:
    z = np.random.default_rng(1).normal(0, 1.5, 40_000)
    p = 1 / (1 + np.exp(-z))
    labels = (np.random.default_rng(2).random(40_000) < p).astype(int)
    straight, flipped = mix_ece_replica(binary(p), labels), mix_ece_replica(binary(1 - p), labels)
    assert straight == pytest.approx(flipped, abs=0.01)
    assert ece(binary(1 - p), labels) > 10 * ece(binary(p), labels)


def test_mix_ece_of_saturated_forecasts_by_hand(binary) -> None:
    labels = np.repeat([1, 0, 0, 1], [3, 1, 4, 2])
    p = np.repeat([1.0, 1.0, 0.0, 0.0], [3, 1, 4, 2])
    # |1 - 3/4| of 4 cases, |0 - 4/6| of 6.
    assert mix_ece_replica(binary(p), labels) == pytest.approx(0.4 * 0.25 + 0.6 * 4 / 6)


def test_mix_ece_has_ten_bins_unless_told(calibrated) -> None:
    probs, labels = calibrated(100)
    assert mix_ece_replica(probs, labels) == mix_ece_replica(probs, labels, bins=10)
    assert mix_ece_replica(probs, labels) != mix_ece_replica(probs, labels, bins=9)


@pytest.mark.parametrize(("union", "joined"), [(False, False), (True, True)])
def test_a_union_joins_the_percentile_interval(calibrated, union: bool, joined: bool) -> None:
    """Reflected about the error the replicates end elsewhere than their own quantiles; for a difference too."""
    scored = Scored(*calibrated(40), np.arange(40), ("a", "b"))
    replicates = np.random.default_rng(0).gamma(4.0, 0.02, 500)
    point = 0.03
    reflected, own = reflected_interval(point, replicates), percentile_interval(replicates)
    assert own[1] > reflected[1]
    rule = error_of(lambda _: 0.0, union=union)
    got = rule.ends(Estimate(point, replicates), [scored])
    assert got[1] == pytest.approx(own[1] if joined else reflected[1])
    low, high = rule.of_difference(point, replicates)
    assert low == pytest.approx(min(reflected[0], own[0]) if joined else reflected[0])
    assert high == pytest.approx(own[1] if joined else reflected[1])


def test_the_smooth_error_joins_both_intervals(calibrated) -> None:
    scored = Scored(*calibrated(60), np.arange(60), ("a", "b"))
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 200).astype(float)
    replicates = SMECE.replicate(scored, weights)
    assert SMECE.interval is not None
    estimate = Estimate(float(SMECE.value(scored) or 0), replicates)
    ends = SMECE.interval.ends(estimate, [scored])
    own, reflected = percentile_interval(replicates), reflected_interval(estimate.value, replicates)
    assert own[1] != reflected[1]
    assert ends[1] == pytest.approx(max(own[1], reflected[1]))


def test_a_bin_of_one_case_has_no_noise_to_remove(binary) -> None:
    assert debiased_ece(binary([0.3, 0.8]), [1, 0]) == pytest.approx((0.7 + 0.8) / 2)


@pytest.mark.parametrize(("limit", "excluded"), [(0.079, True), (0.08, False), (0.081, False)])
def test_a_debiased_error_excludes_0_where_the_biased_one_leaves_its_band(
    limit: float, excluded: bool
) -> None:
    replicates = np.random.default_rng(0).normal(0.08, 0.01, 500)
    rule = error_of(lambda _: limit, plug_in=lambda _: 0.08)
    assert (rule.ends(Estimate(0.05, replicates), [None])[0] > 0) is excluded


def test_bins_of_two_cases_have_noise_to_remove_and_of_one_none_to_measure(binary) -> None:
    """l2: gap² less p(1 − p)/(n − 1) where n is at least 2; a bin of one adds nothing."""
    p, y = np.array([0.21, 0.25, 0.85]), np.array([0, 1, 0])
    gap = 0.5 - 0.23
    expected = np.sqrt(max(2 / 3 * (gap**2 - 0.25), 0.0))
    assert debiased_ece(binary(p), y, norm="l2") == pytest.approx(expected)
    certain = debiased_ece(binary([0.21, 0.25, 0.85]), [1, 1, 0], norm="l2")
    assert certain == pytest.approx(np.sqrt(2 / 3) * 0.77)
