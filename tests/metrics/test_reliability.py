import numpy as np
import pytest

from labelppl.errors import InputError
from labelppl.metrics.reliability import reliability


def test_bins_are_means_of_forecasts_and_outcomes(calibrated) -> None:
    probs, labels = calibrated(400)
    curve = reliability(probs, labels, bins=5, draws=20)
    p = probs[:, 1]
    for b, (forecast, frequency, count) in enumerate(
        zip(curve.forecast, curve.frequency, curve.count, strict=True)
    ):
        inside = (p >= b / 5) & (p < (b + 1) / 5)
        assert forecast == pytest.approx(p[inside].mean())
        assert frequency == pytest.approx(labels[inside].mean())
        assert count == inside.sum()


def test_band_holds_calibrated_curves_as_often_as_it_says(calibrated) -> None:
    inside, smooth_inside = [], []
    for seed in range(60):
        curve = reliability(*calibrated(300, seed=seed), draws=200, seed=seed)
        inside.extend((curve.lo <= curve.frequency) & (curve.frequency <= curve.hi))
        within = (curve.smooth_lo <= curve.smooth) & (curve.smooth <= curve.smooth_hi)
        smooth_inside.append(within.mean())
    # 600 bins; the discreteness of counts only widens a band, and the band of the smooth curve
    # uses the bandwidth of the sample.
    assert np.mean(inside) > 0.9 - 4 * np.sqrt(0.09 / 600)
    assert np.mean(smooth_inside) > 0.82


def test_overconfident_curve_leaves_the_band(calibrated, binary) -> None:
    probs, labels = calibrated(2000)
    z = 3 * np.log(probs[:, 1] / probs[:, 0])
    curve = reliability(binary(1 / (1 + np.exp(-z))), labels, draws=200)
    assert curve.frequency[0] > curve.hi[0]
    assert curve.frequency[-1] < curve.lo[-1]
    assert ((curve.smooth < curve.smooth_lo) | (curve.smooth > curve.smooth_hi)).mean() > 0.5


def test_many_classes_use_the_top_label_and_one_seed_gives_one_curve(calibrated) -> None:
    probs, labels = calibrated(200, classes=3)
    one, two = (reliability(probs, labels, draws=50, seed=4) for _ in range(2))
    assert one.quantity == "top"
    assert np.array_equal(one.smooth_hi, two.smooth_hi)
    assert (one.at >= 1 / 3 - 0.1).all()


def test_the_smooth_curve_stays_where_forecasts_are(binary) -> None:
    forecast = np.random.default_rng(0).uniform(0.55, 0.6, 60)
    curve = reliability(binary(forecast), np.arange(60) % 2, draws=50)
    assert curve.at.min() > 0.545
    assert curve.at.max() < 0.605


def test_a_single_case_has_a_curve(binary) -> None:
    curve = reliability(binary([0.3]), [1], draws=50)
    assert curve.frequency.tolist() == [1.0]
    assert np.isfinite(curve.smooth).all()


def test_bad_arguments_are_refused(calibrated) -> None:
    probs, labels = calibrated(10)
    with pytest.raises(InputError, match="one by one"):
        reliability(probs, labels, quantity="classwise")
    with pytest.raises(InputError, match="level"):
        reliability(probs, labels, level=1.0)
