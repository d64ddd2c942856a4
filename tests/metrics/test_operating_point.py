"""Thresholds, sensitivity and what follows, the decision curve: every CHECK of docs/methods.md §14."""

import numpy as np
import pytest

from labelppl.errors import InputError
from labelppl.metrics import OperatingPoint, ThresholdRule, curves, evaluate_probs
from labelppl.metrics.bootstrap import exact_interval, wilson_interval
from labelppl.metrics.intervals import Estimate, percentile
from labelppl.metrics.listed import metric_named
from labelppl.metrics.net_benefit import net_benefit
from labelppl.metrics.operating_point import log_ratio_interval
from labelppl.metrics.scored import Scored, Settings
from labelppl.metrics.threshold import sensitivity_rank

LABELS = np.repeat([1, 1, 0, 0], [45, 5, 80, 20])
CALLED = np.repeat([0.9, 0.05, 0.05, 0.9], [45, 5, 80, 20])


def measured(binary, prevalence=None, groups=None, p=CALLED, y=LABELS):
    point = OperatingPoint(1, 0.5, "threshold=0.5", prevalence)
    return evaluate_probs(
        binary(p), y, classes=["well", "ill"], point=point, groups=groups, n_boot=200
    )


def test_shares_and_their_intervals(binary) -> None:
    found = measured(binary)
    assert (found.sensitivity, found.specificity) == (0.9, 0.8)
    assert found.intervals["sensitivity"] == pytest.approx((0.78640, 0.95652), abs=5e-6)
    assert found.intervals["specificity"] == pytest.approx((0.71117, 0.86663), abs=5e-6)
    assert wilson_interval(45, 50) == pytest.approx((0.78640, 0.95652), abs=5e-6)
    assert exact_interval(45, 50) == pytest.approx((0.78186, 0.96673), abs=1e-5)


def test_likelihood_ratios_and_predictive_values(binary) -> None:
    found = measured(binary, prevalence=0.03)
    assert found.lr_pos == pytest.approx(4.5)
    assert found.intervals["lr_pos"] == pytest.approx((3.0082, 6.7316), abs=5e-5)
    assert found.lr_neg == pytest.approx(0.125)
    assert found.intervals["lr_neg"] == pytest.approx((0.05411, 0.28876), abs=5e-6)
    assert found.ppv == pytest.approx(0.12217, abs=5e-6)
    assert found.intervals["ppv"] == pytest.approx((0.08512, 0.17232), abs=5e-6)
    assert 1 - found.npv == pytest.approx(0.00385, abs=5e-6)
    low, high = found.intervals["npv"]
    assert (1 - high, 1 - low) == pytest.approx((0.00167, 0.00885), abs=5e-6)
    assert measured(binary).ppv == pytest.approx(0.69231, abs=5e-6)
    assert log_ratio_interval(4.5, 45, 50, 20, 100) == pytest.approx((3.0082, 6.7316), abs=5e-5)


def test_groups_get_the_bootstrap_and_not_the_textbook(binary) -> None:
    alone = measured(binary).intervals["sensitivity"]
    grouped = measured(binary, groups=np.arange(150) // 5).intervals["sensitivity"]
    assert grouped[1] - grouped[0] > 1.2 * (alone[1] - alone[0])


def test_an_empty_cell_is_null_with_a_one_sided_bound(binary) -> None:
    found = measured(binary, p=np.where(LABELS == 1, CALLED, 0.05))
    assert found.specificity == 1.0
    assert found.intervals["specificity"] == pytest.approx((0.025 ** (1 / 100), 1.0))
    assert found.lr_pos is None
    assert "lr_pos" not in found.intervals
    least = 0.9 / (1 - 0.025 ** (1 / 100))
    assert any(f"at least {least:.3g}" in note for note in found.notes)
    missed = measured(binary, p=np.where(LABELS == 1, 0.9, CALLED))
    assert missed.lr_neg is None
    assert any("at most" in note for note in missed.notes)


def test_net_benefit_of_the_model_and_of_treating_all(binary) -> None:
    curve = net_benefit(binary(CALLED), LABELS, 0.1, prevalence=0.03)
    assert curve.model[0] == pytest.approx(0.00544, abs=5e-6)
    assert curve.treat_all[0] == pytest.approx(-0.07778, abs=5e-6)


def test_rank_of_a_promised_sensitivity() -> None:
    assert sensitivity_rank(20, 0.9) == 2
    assert sensitivity_rank(9, 0.9) == 1, "10 (1 − .9) is 1, not .99999"
    assert sensitivity_rank(8, 0.9) == 0


def test_threshold_for_a_sensitivity_is_the_rank_of_the_validation_scores(binary) -> None:
    rule = ThresholdRule.read("sensitivity=0.9")
    scores = np.linspace(0.05, 0.95, 20)
    probs = binary(np.r_[scores, np.full(10, 0.99)])
    labels = np.repeat([1, 0], [20, 10])
    point = rule.choose(1, probs, labels)
    assert point.threshold == pytest.approx(np.sort(scores)[1])
    assert point.promised
    few = rule.choose(1, probs[:8], labels[:8])
    assert (few.threshold, few.promised) == (0.0, False)
    with pytest.raises(InputError, match="no validation case is positive"):
        rule.choose(1, probs, np.zeros(30, dtype=int))


def test_a_promised_sensitivity_is_kept_on_average(binary) -> None:
    rng = np.random.default_rng(0)
    rule, kept = ThresholdRule.read("sensitivity=0.9"), []
    for _ in range(2000):
        point = rule.choose(1, binary(rng.random(30)), np.ones(30, dtype=int))
        kept.append(1 - point.threshold)
    # Uniform scores: sensitivity is 1 − threshold, Beta(31 − j, j) with j = 3.
    assert np.mean(kept) == pytest.approx(28 / 31, abs=4 * np.std(kept) / np.sqrt(2000))


def test_costs_hold_where_the_student_is_used() -> None:
    rule = ThresholdRule.read("costs=1:9")
    assert rule.choose(1).threshold == pytest.approx(0.1)
    moved = rule.choose(1, prevalence=0.03, study=0.3).threshold
    odds = 0.1 / 0.9 * (0.3 / 0.7) / (0.03 / 0.97)
    assert moved == pytest.approx(odds / (1 + odds))
    assert ThresholdRule.read(str(rule)).number == pytest.approx(rule.number)


@pytest.mark.parametrize(
    "text", ["sensitivity=1", "costs=1", "costs=0:1", "threshold=x", "auc=.9", "sensitivity=0"]
)
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="operating point"):
        ThresholdRule.read(text)


def test_curves_pass_through_the_metrics(calibrated) -> None:
    probs, labels = calibrated(200)
    scored = Scored(probs, labels, np.arange(200), ("a", "b"))
    table = curves(scored)
    assert set(table["curve"]) == {
        "roc",
        "precision_recall",
        "net_benefit",
        "treat_all",
        "risk_coverage",
    }
    roc = table[table["curve"] == "roc"]
    assert (np.diff(roc["y"]) >= 0).all()
    assert roc["y"].iloc[-1] == 1
    # A staircase read at 51 places: the area is right to a step.
    area = np.trapezoid(roc["y"], roc["x"])
    auc = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=0).auc
    assert area == pytest.approx(auc, abs=0.02)
    drawn = table[table["curve"] != "treat_all"]
    assert (drawn["lo"] <= drawn["hi"]).all()
    risk = table[table["curve"] == "risk_coverage"]
    assert risk["y"].iloc[-1] == pytest.approx((probs.argmax(axis=1) != labels).mean())
    benefit = table[table["curve"] == "net_benefit"]
    expected = net_benefit(probs, labels, benefit["x"])
    assert benefit["y"].to_numpy() == pytest.approx(expected.model)
    recall = table[table["curve"] == "precision_recall"]
    assert recall["y"].iloc[-1] == pytest.approx(labels.mean(), abs=0.05)


def test_curves_of_three_classes_are_one_against_the_rest(calibrated) -> None:
    probs, labels = calibrated(90, classes=3)
    table = curves(Scored(probs, labels, np.zeros(90, dtype=int), ("a", "b", "c")))
    assert set(table.loc[table["curve"] == "roc", "class"]) == {"a", "b", "c"}
    assert table["lo"].isna().all(), "one group: nothing to resample"


def test_a_decision_curve_is_read_where_the_student_is_used(calibrated) -> None:
    """Its thresholds are probabilities at the prevalence of use, as costs are."""
    probs, labels = calibrated(300)
    point = OperatingPoint(1, 0.5, "threshold=0.5", prevalence=0.05)
    scored = Scored(probs, labels, np.arange(300), ("a", "b"), settings=Settings(point=point))
    table = curves(scored)
    benefit = table[table["curve"] == "net_benefit"]
    odds = probs[:, 1] / probs[:, 0] * (0.05 / 0.95) / (labels.mean() / (1 - labels.mean()))
    used = np.column_stack([1 / (1 + odds), odds / (1 + odds)])
    expected = net_benefit(used, labels, benefit["x"], prevalence=0.05)
    assert benefit["y"].to_numpy() == pytest.approx(expected.model)
    everyone = table.loc[table["curve"] == "treat_all", "y"].to_numpy()
    assert everyone == pytest.approx(expected.treat_all)


def test_a_ratio_without_hits_or_without_spared_cases_says_that_a_cell_is_empty(binary) -> None:
    """Only no false alarm, or no missed case, leaves a bound."""
    nobody_hit = measured(binary, p=np.where(LABELS == 1, 0.05, CALLED))
    everybody_called = measured(binary, p=np.where(LABELS == 0, 0.9, CALLED))
    for found, key in ((nobody_hit, "lr_pos"), (everybody_called, "lr_neg")):
        assert found.values[key] is None
        (note,) = [note for note in found.notes if note.startswith(f"{key} is null")]
        assert "a cell of the table" in note


def test_predictive_values_of_several_repeats_are_resampled(binary) -> None:
    """The mapped interval is for one set of independent cases; of two sets the replicates decide."""
    point = OperatingPoint(1, 0.5, "threshold=0.5", 0.03)
    one = Scored(
        binary(CALLED), LABELS, np.arange(150), ("well", "ill"), settings=Settings(point=point)
    )
    replicates = np.random.default_rng(0).normal(0.122, 0.01, 300)
    rule = metric_named("ppv").interval
    assert rule is not None
    alone = rule.ends(Estimate(0.12217, replicates), [one])
    assert alone == pytest.approx((0.08512, 0.17232), abs=5e-6)
    both = rule.ends(Estimate(0.12217, replicates), [one, one])
    assert both == pytest.approx(percentile(Estimate(0.12217, replicates), [one, one]))


def test_no_hit_among_grouped_calls_gets_the_exact_interval(binary) -> None:
    """A predictive value of exactly 0, where every replicate agrees: binomial over the groups that are called."""
    p, y = np.repeat([0.9, 0.1], [6, 14]), np.repeat([0, 1, 0], [6, 4, 10])
    found = measured(binary, p=p, y=y, groups=np.arange(20) // 2)
    assert found.ppv == 0.0
    assert found.intervals["ppv"] == pytest.approx(exact_interval(0, 3))
