"""Every named constant and gate of the metrics, just inside and just outside; and conventions that are easily lost."""

import numpy as np
import pytest

from labelppl.calibration.maps import choose_map
from labelppl.errors import InputError
from labelppl.metrics import Metric, evaluate_probs
from labelppl.metrics.bootstrap import exact_interval, percentile_interval
from labelppl.metrics.collector import MOST_UNDEFINED, Collector
from labelppl.metrics.kl import DCIC_EPS, kl_dcic, kl_divergence, kl_per_case
from labelppl.metrics.macro_accuracy import macro_accuracy, macro_accuracy_replicates
from labelppl.metrics.nll import nll
from labelppl.metrics.null_band import null_band
from labelppl.metrics.reliability import SUPPORTED, WIDEST, reliability
from labelppl.metrics.scored import Scored
from labelppl.metrics.smece import smece
from labelppl.metrics.smoothing import MESH, STEPS, kernel_smooth
from labelppl.probabilities import FLOOR, SUM_TOLERANCE, checked_probs


def test_a_row_may_miss_one_by_the_tolerance_and_no_more() -> None:
    checked_probs([[0.5, 0.5 + 0.99 * SUM_TOLERANCE]])
    with pytest.raises(InputError, match="sum to"):
        checked_probs([[0.5, 0.5 + 1.01 * SUM_TOLERANCE]])


def test_floor_of_the_log_loss() -> None:
    assert nll([[1.0, 0.0]], [1]) == pytest.approx(-np.log(FLOOR))
    assert nll([[1 - 2 * FLOOR, 2 * FLOOR]], [1]) == pytest.approx(-np.log(2 * FLOOR))
    assert nll([[1 - FLOOR / 2, FLOOR / 2]], [1]) == pytest.approx(-np.log(FLOOR))


def test_floor_inside_kl_bounds_the_prediction_and_never_the_reference() -> None:
    reference = np.array([[0.25, 0.75]])
    eps = 1e-3
    below, above = np.array([[1 - eps / 2, eps / 2]]), np.array([[1 - 2 * eps, 2 * eps]])
    by_hand = 0.25 * np.log(0.25 / (1 - eps / 2)) + 0.75 * np.log(0.75 / eps)
    assert kl_per_case(reference, below, eps)[0] == pytest.approx(by_hand)
    free = 0.25 * np.log(0.25 / (1 - 2 * eps)) + 0.75 * np.log(0.75 / (2 * eps))
    assert kl_per_case(reference, above, eps)[0] == pytest.approx(free)
    assert kl_divergence([[1.0, 0.0]], [[1 - eps, eps]], eps=eps) == pytest.approx(-np.log(1 - eps))
    impossible = 0.5 * np.log(0.5 / 1.0) + 0.5 * np.log(0.5 / FLOOR)
    assert kl_divergence([[0.5, 0.5]], [[1.0, 0.0]]) == pytest.approx(impossible)
    for wrong in (0.0, 1.0):
        with pytest.raises(InputError, match="eps"):
            kl_divergence(reference, above, eps=wrong)
    # The benchmark clips both sides, so that even certain and right costs nothing exactly.
    assert DCIC_EPS == 1e-5
    assert kl_dcic([[1.0, 0.0]], [[1.0, 0.0]]) == pytest.approx(0, abs=1e-15)


def test_the_exact_interval_counts_groups_and_not_cases(binary) -> None:
    p = np.tile([0.1, 0.9], 20)
    labels, groups = (p > 0.5).astype(int), np.arange(40) // 4
    found = evaluate_probs(binary(p), labels, classes=["a", "b"], groups=groups, n_boot=20)
    assert found.accuracy == 1
    assert found.intervals["accuracy"] == pytest.approx(exact_interval(10, 10))
    assert found.intervals["sensitivity"] == pytest.approx(exact_interval(10, 10))
    assert any("for 10 groups" in note for note in found.notes)
    wrong = evaluate_probs(binary(1 - p), labels, classes=["a", "b"], groups=groups, n_boot=20)
    assert wrong.intervals["accuracy"] == pytest.approx(exact_interval(0, 10))


def test_macro_accuracy_leaves_absent_classes_out_also_of_a_resample() -> None:
    probs = np.eye(3)[[0, 0, 1, 1]] * 0.8 + 0.2 / 3
    labels = np.array([0, 1, 1, 1])
    assert macro_accuracy(probs, labels) == pytest.approx((1 + 2 / 3) / 2)
    # The second resample holds class 1 alone.
    weights = np.array([[1.0, 1, 1, 1], [0, 1, 1, 0]])
    assert macro_accuracy_replicates(probs, labels, weights) == pytest.approx(
        [(1 + 2 / 3) / 2, 0.5]
    )


def test_the_kernel_has_half_weight_where_it_is_cut() -> None:
    """A point mass smoothed with a very wide kernel: flat up to ½ away, half there, nothing beyond.

    The reflected kernel of a mass in the first cell: its copies beyond 0 add to it.
    """
    mass = np.zeros((1, MESH))
    mass[0, 0] = 1.0
    shape = kernel_smooth(mass, 1e3)[0]
    half = MESH // 2
    inside, beyond = shape[: half - 1], shape[half + 1 :]
    assert np.ptp(inside) < 1e-6 * inside.mean()
    assert shape.sum() == pytest.approx(1.0)
    assert beyond == pytest.approx(np.zeros(len(beyond)), abs=1e-12)
    # offsets 0 … ½ of a cell-centred mass and its mirror image one cell further
    full = inside[1]
    assert shape[half] == pytest.approx(full / 4, rel=1e-6)
    assert shape[half - 1] == pytest.approx(full * 3 / 4, rel=1e-6)


def test_smece_is_resolved_to_its_steps(binary) -> None:
    assert STEPS == 4096
    found = smece(binary(np.full(200, 0.9)), np.repeat([1, 0], [140, 60]))
    assert found == pytest.approx(0.2, abs=1.5 / STEPS)


@pytest.mark.parametrize(
    ("share", "known"), [(MOST_UNDEFINED - 0.01, True), (MOST_UNDEFINED + 0.01, False)]
)
def test_a_metric_that_most_resamples_do_not_define_has_no_interval(
    share: float, known: bool
) -> None:
    metric = Metric("m", "M", "sometimes undefined", "none", value=lambda scored: 1.0)
    probs = np.full((10, 2), 0.5)
    out = Collector(Scored(probs, np.zeros(10, int), np.arange(10), ("a", "b")))
    out.values["m"] = 1.0
    replicates = np.arange(100.0)
    replicates[: round(100 * share)] = np.nan
    out._interval(metric, out.scored, replicates)
    assert ("m" in out.intervals) is known
    assert out.notes


def test_the_interval_holds_95_percent_of_the_replicates() -> None:
    replicates = np.arange(10_001.0)
    assert percentile_interval(replicates) == pytest.approx((250, 9750))
    assert percentile_interval(replicates, 0.9) == pytest.approx((500, 9500))


def test_the_null_band_is_exceeded_once_in_twenty(calibrated) -> None:
    probs, _ = calibrated(100)
    band = null_band(probs, draws=2000)
    assert (band.smece_draws > band.smece_upper).mean() == pytest.approx(0.05, abs=1e-3)
    assert band.smece_mean == pytest.approx(band.smece_draws.mean())
    assert null_band(probs, draws=1).ece_mean > 0
    with pytest.raises(InputError, match="draws, level"):
        null_band(probs, draws=0)
    for level in (0.0, 1.0):
        with pytest.raises(InputError, match="draws, level"):
            null_band(probs, level=level)


def test_the_reliability_curve_is_never_wider_than_its_limit_nor_drawn_without_support(
    calibrated, binary
) -> None:
    probs, labels = calibrated(300)
    bad = reliability(1 - probs, labels, draws=20)
    assert bad.width == WIDEST
    assert reliability(probs, labels, draws=20).width < WIDEST
    p = np.r_[np.full(200, 0.2), np.full(2, 0.8)]
    curve = reliability(binary(p), (np.arange(202) % 5 == 0).astype(int), draws=20)
    # Two of 202 cases are below 2 % of the peak density: no curve there.
    assert SUPPORTED == 0.02
    assert curve.at.max() < 0.75
    q = np.r_[np.full(200, 0.2), np.full(12, 0.8)]
    seen = reliability(binary(q), (np.arange(212) % 5 == 0).astype(int), draws=20)
    assert seen.at.max() > 0.75


def test_a_map_must_gain_a_standard_error(calibrated) -> None:
    probs, labels = calibrated(400)
    power = 1.6
    sharp = probs**power / (probs**power).sum(axis=1, keepdims=True)
    chosen = choose_map(sharp, labels, names=["temperature"])
    gain = chosen.losses["none"] - chosen.losses["temperature"]
    assert (chosen.mapping is not None) == (gain > chosen.standard_error)
    mild = probs**1.05 / (probs**1.05).sum(axis=1, keepdims=True)
    little = choose_map(mild, labels, names=["temperature"])
    assert little.losses["none"] - little.losses["temperature"] < little.standard_error
    assert little.mapping is None
