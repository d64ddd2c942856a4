"""Every named constant and gate of the metrics, just inside and just outside; and conventions that are easily lost."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest

from labelppl import metrics
from labelppl.calibration.maps import choose_map
from labelppl.errors import InputError
from labelppl.metrics import Metric, evaluate_probs
from labelppl.metrics import verdict as verdict_file
from labelppl.metrics.auc import auc, auc_replicates
from labelppl.metrics.bootstrap import exact_interval, percentile_interval
from labelppl.metrics.collector import MOST_UNDEFINED, Collector
from labelppl.metrics.hosmer_lemeshow import HOSMER_LEMESHOW
from labelppl.metrics.kl import DCIC_EPS, kl_dcic, kl_divergence, kl_per_case
from labelppl.metrics.macro_accuracy import macro_accuracy, macro_accuracy_replicates
from labelppl.metrics.net_benefit import net_benefit
from labelppl.metrics.nll import nll
from labelppl.metrics.null_band import null_band
from labelppl.metrics.operating_point import log_ratio_interval
from labelppl.metrics.realised import REALISED, REALISED_DRAWS, over_labellings
from labelppl.metrics.reliability import SUPPORTED, WIDEST, reliability
from labelppl.metrics.scored import Scored
from labelppl.metrics.smece import smece
from labelppl.metrics.smoothing import MESH, STEPS, kernel_smooth
from labelppl.metrics.top_k import default_top, top_k
from labelppl.metrics.verdict import GRADES_APART
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


@pytest.mark.parametrize(("kinds", "allowed"), [(20, True), (21, False)])
def test_up_to_twenty_subgroups(calibrated, kinds: int, allowed: bool) -> None:
    probs, labels = calibrated(84)
    column = {"site": np.arange(84) % kinds}
    if allowed:
        found = evaluate_probs(probs, labels, classes=["a", "b"], by=column, n_boot=2)
        assert found.values["by/site/19/n"] == 4
    else:
        with pytest.raises(InputError, match="got 21 values, expected at most 20"):
            evaluate_probs(probs, labels, classes=["a", "b"], by=column, n_boot=2)


def test_a_subgroup_column_has_a_value_for_each_case(calibrated) -> None:
    probs, labels = calibrated(6)
    for column, message in (
        (["x"] * 5, r"by site: got shape \(5,\), expected \(6,\)"),
        (["x", "x", None, "y", None, "y"], "by site, row 2: got nothing"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate_probs(probs, labels, classes=["a", "b"], by={"site": column}, n_boot=2)


@pytest.mark.parametrize(("classes", "k"), [(2, None), (3, 2), (5, 2), (6, 5), (100, 5)])
def test_the_k_of_top_k_accuracy(classes: int, k: int | None) -> None:
    assert default_top(classes) == k


@pytest.mark.parametrize("k", [0, 4])
def test_k_lies_within_the_classes(k: int) -> None:
    probs, labels = np.full((2, 3), 1 / 3), np.array([0, 2])
    assert top_k(probs, labels, 3) == 1
    assert top_k(probs, labels, 1) == 0.5
    with pytest.raises(InputError, match=f"k: got {k}, expected 1 to 3"):
        top_k(probs, labels, k)


def test_accuracy_on_these_cases_has_the_law_of_its_labels(binary) -> None:
    """One draw of p(Y|Z): the count of right cases is a sum of independent Bernoullis."""
    p = np.array([0.9, 0.8, 0.3, 0.6, 0.2])
    draws = np.broadcast_to(binary(p), (1, 5, 2))
    scored = Scored(binary(p), -np.ones(5, int), np.arange(5), ("a", "b"), draws=draws)
    metric = next(m for m in REALISED if m.key == "realised_accuracy")
    right = np.maximum(p, 1 - p)
    sd = np.sqrt((right * (1 - right)).sum()) / 5
    assert REALISED_DRAWS == 500
    assert metric.value(scored) == pytest.approx(right.mean(), abs=4 * sd / REALISED_DRAWS**0.5)
    values = over_labellings(scored, "k", lambda probs, labels: float(labels.mean()))
    assert len(values) == REALISED_DRAWS
    assert values.mean() == pytest.approx(p.mean(), abs=4 * sd / REALISED_DRAWS**0.5)
    assert values.std() == pytest.approx(sd, rel=0.15)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("bootstrap", "WEIGHT_NUMBERS"),
        ("null_band", "NULL_NUMBERS"),
        ("hosmer_lemeshow", "LARGEST"),
    ],
)
def test_numbers_held_at_once_change_no_metric(
    calibrated, monkeypatch: pytest.MonkeyPatch, file: str, name: str
) -> None:
    """In pieces the same random numbers are drawn in the same order."""
    probs, labels = calibrated(50, classes=3)
    whole = evaluate_probs(probs, labels, classes=["a", "b", "c"], n_boot=30)
    monkeypatch.setattr(import_module(f"labelppl.metrics.{file}"), name, 7 * 50)
    parts = evaluate_probs(probs, labels, classes=["a", "b", "c"], n_boot=30)
    for key, value in whole.values.items():
        assert parts.values[key] == pytest.approx(value), key
    for key, ends in whole.intervals.items():
        assert parts.intervals[key] == pytest.approx(ends), key


def test_measures_that_are_two_grades_apart_are_said_to_disagree(
    calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    probs, labels = calibrated(200)
    scored = Scored(probs, labels, np.arange(200), ("a", "b"))
    hl = next(metric for metric in HOSMER_LEMESHOW if metric.key == "hl_p").value(scored)
    assert hl is not None
    own = verdict_file.grade(hl)
    for apart, told in ((GRADES_APART - 1, False), (GRADES_APART, True)):
        said = verdict_file._others(scored, own - apart)
        assert any("Hosmer–Lemeshow shows" in line for line in said) is told
    assert GRADES_APART == 2


def test_the_curve_leaves_its_band_as_often_as_chance_lets_it() -> None:
    """P(at least `out` of `bins` outside), each outside with probability 1 - level."""
    forecast = np.linspace(0.1, 0.9, 5)
    lo, hi = np.full(5, 0.4), np.full(5, 0.6)
    frequency = np.array([0.4, 0.5, 0.6, 0.61, 0.39])
    curve = reliability(np.full((4, 2), 0.5), [0, 1, 0, 1], draws=5)
    made = replace(curve, forecast=forecast, lo=lo, hi=hi, frequency=frequency)
    places, p = verdict_file.outside(made)
    assert places == pytest.approx([0.7, 0.9])
    out = 1 - curve.level
    assert p == pytest.approx(1 - (1 - out) ** 5 - 5 * out * (1 - out) ** 4)


def test_likelihood_ratios_have_the_interval_of_the_log_method() -> None:
    """SE ln LR = sqrt(1/40 - 1/50 + 1/10 - 1/100)."""
    lo, hi = log_ratio_interval(8.0, 40, 50, 10, 100)
    spread = np.sqrt(1 / 40 - 1 / 50 + 1 / 10 - 1 / 100)
    assert (lo, hi) == pytest.approx(
        (8 * np.exp(-1.959964 * spread), 8 * np.exp(1.959964 * spread)), rel=1e-6
    )
    assert lo * hi == pytest.approx(64)


def test_macro_auc_leaves_a_class_out_of_the_resamples_that_miss_it() -> None:
    probs = np.array(
        [[0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]]
    )
    labels = np.array([0, 1, 1, 0, 2])
    weights = np.array([[1.0, 1, 1, 1, 1], [2, 1, 1, 1, 0]])  # the second resample misses class 2
    rows = np.repeat(np.arange(5), weights[1].astype(int))
    expected = [auc(probs, labels), auc(probs[rows], labels[rows])]
    np.testing.assert_allclose(auc_replicates(probs, labels, weights), expected)


@pytest.mark.parametrize("label", [0, 1])
def test_a_deployment_prevalence_needs_cases_of_both_classes(label: int) -> None:
    probs = np.array([[0.6, 0.4], [0.2, 0.8]])
    with pytest.raises(InputError, match="cases of both classes"):
        net_benefit(probs, np.full(2, label), [0.5], prevalence=0.1)


def test_records_cannot_be_changed(changeable: Callable[[ModuleType], set[str]]) -> None:
    assert changeable(metrics) == set()
