import numpy as np
import pytest
from scipy.stats import norm

from labelppl.metrics.bootstrap import (
    MOST_LEFT_OUT,
    acceleration,
    error_interval,
    exact_interval,
    expanded_level,
    group_weights,
    leave_out_weights,
    percentile_interval,
    skewed_interval,
    statistic_interval,
)
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.metrics.intervals import Estimate, percentile
from labelppl.metrics.scored import Scored


def test_cases_of_a_group_are_drawn_together_and_groups_keep_their_number() -> None:
    groups = np.array([0, 1, 1, 2, 2, 2])
    weights = np.concatenate(list(group_weights(groups, 3000, seed=0)))
    assert weights.shape == (3000, 6)
    assert np.array_equal(weights[:, 1], weights[:, 2])
    per_group = weights[:, [0, 1, 3]]
    assert (per_group.sum(axis=1) == 3).all()
    assert np.abs(per_group.mean(axis=0) - 1).max() < 4 * np.sqrt(2 / 3 / 3000)


def test_chunks_together_give_every_replicate() -> None:
    many = list(group_weights(np.arange(3000), 700, seed=1))
    assert len(many) > 1
    assert sum(len(w) for w in many) == 700


def test_interval_of_a_mean_is_the_textbook_one(calibrated) -> None:
    probs, labels = calibrated(400)
    found = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=4000)
    lo, hi = found.intervals["accuracy"]
    half = 1.96 * np.sqrt(found.accuracy * (1 - found.accuracy) / 400)
    # A 2.5 % quantile of 4,000 replicates is known to about 3 % of the half width.
    assert (hi - lo) / 2 == pytest.approx(half, rel=0.08)


def test_repeated_cases_of_one_group_do_not_narrow_the_interval(calibrated) -> None:
    probs, labels = calibrated(100)
    once = evaluate_probs(probs, labels, classes=["a", "b"])
    copies = [np.repeat(x, 4, axis=0) for x in (probs, labels, np.arange(100))]
    grouped = evaluate_probs(copies[0], copies[1], classes=["a", "b"], groups=copies[2])
    naive = evaluate_probs(copies[0], copies[1], classes=["a", "b"])
    assert grouped.n_groups == 100
    for key in ("accuracy", "nll", "brier", "auc", "macro_accuracy"):
        lo, hi = once.intervals[key]
        assert grouped.intervals[key] == pytest.approx((lo, hi), abs=1e-9)
        assert naive.intervals[key][1] - naive.intervals[key][0] < 0.65 * (hi - lo)


def test_coverage_of_the_intervals(calibrated) -> None:
    rng = np.random.default_rng(0)
    hits = {"nll": 0, "accuracy": 0, "ece": 0, "smece": 0}
    reference, _ = calibrated(100_000, seed=999)
    truth = {
        "nll": -(reference * np.log(reference)).sum(axis=1).mean(),
        "accuracy": reference.max(axis=1).mean(),
        "ece": 0.0,
        "smece": 0.0,
    }
    repeats = 80
    for _ in range(repeats):
        probs, labels = calibrated(100, seed=int(rng.integers(2**31)))
        found = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=200)
        for key, value in truth.items():
            lo, hi = found.intervals[key]
            hits[key] += lo - 1e-9 <= value <= hi
    # Binomial(80, .95) is below 67 once in 10^4.
    assert min(hits.values()) >= 67


def test_error_interval_reaches_zero_only_inside_the_null_band() -> None:
    replicates = np.linspace(0.05, 0.15, 1001)
    assert error_interval(0.1, replicates, 0.12)[0] == 0.0
    lo, hi = error_interval(0.1, replicates, 0.05)
    assert (lo, hi) == pytest.approx((0.0525, 0.1475))
    debiased = error_interval(0.04, replicates, 0.0, centre=0.1)
    assert debiased == pytest.approx((0.0, 0.04 + 0.1 - 0.0525))
    biased = replicates + 0.1
    lo, hi = error_interval(0.1, biased, 0.05)
    assert (lo, hi) == (0.0, 0.1)
    joined = error_interval(0.1, biased, 0.05, union=True)
    assert joined == pytest.approx((0.0, 0.2475))


def test_statistic_interval_removes_the_bias_of_resampling() -> None:
    rng = np.random.default_rng(0)
    replicates = 30 + rng.normal(0, 2, 5000)
    lo, hi = statistic_interval(20.0, replicates)
    assert (lo, hi) == pytest.approx((20 - 3.92, 20 + 3.92), abs=0.25)
    assert statistic_interval(1.0, replicates)[0] == 0.0


def test_exact_interval_is_clopper_pearson() -> None:
    assert exact_interval(20, 20) == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert exact_interval(0, 20) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))


def test_percentile_interval_ignores_undefined_replicates() -> None:
    values = np.r_[np.nan, np.arange(101.0)]
    assert percentile_interval(values) == pytest.approx((2.5, 97.5))


def test_level_for_few_groups() -> None:
    """Two standard normals' worth of quantiles for many groups, Student's t for few."""
    assert expanded_level(10_000) == pytest.approx(0.95, abs=2e-4)
    assert 1 - expanded_level(60) == pytest.approx(
        2 * norm.sf(2.00100 * np.sqrt(60 / 59)), abs=1e-5
    )
    assert expanded_level(2) > 0.999
    assert expanded_level(1) == 0.95


@pytest.mark.parametrize("groups", [MOST_LEFT_OUT, MOST_LEFT_OUT + 1, 5000])
def test_acceleration_of_a_mean_is_a_sixth_of_its_skewness(groups: int) -> None:
    x = np.random.default_rng(0).exponential(size=groups)
    weights = leave_out_weights(np.arange(groups))
    assert len(weights) == MOST_LEFT_OUT
    assert (weights.sum(axis=0) == MOST_LEFT_OUT - 1).all()
    # The skewness of an exponential is 2; that of so many, and of parts of them, is known to about ±.2.
    expected = 2 / (6 * np.sqrt(groups))
    assert acceleration((weights @ x) / weights.sum(axis=1)) == pytest.approx(expected, rel=0.35)


def test_cases_of_a_group_are_left_out_together() -> None:
    weights = leave_out_weights(np.array([0, 1, 1, 2]))
    assert weights.tolist() == [[0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 0]]
    assert acceleration(np.array([0.5, 0.5])) == 0
    assert acceleration(np.array([0.5, np.nan])) == 0


def test_an_estimate_without_skewness_gets_the_expanded_percentiles() -> None:
    replicates = np.linspace(-1, 1, 10_001)
    plain = percentile_interval(replicates, expanded_level(60))
    assert skewed_interval(replicates, 0.0, 60) == pytest.approx(plain, abs=1e-3)
    lo, hi = skewed_interval(replicates, 0.05, 60)
    assert lo > plain[0]
    assert hi > plain[1]
    # A skewness beyond reach still gives a replicate.
    assert skewed_interval(replicates, 0.9, 60)[1] == 1.0


def test_both_tails_of_a_skewed_mean_are_missed_alike() -> None:
    """Means of 60 exponential cases: plain quantiles miss the truth above far more often than below."""
    rng, sets = np.random.default_rng(1), 400
    above, below = np.zeros(2), np.zeros(2)
    for seed in range(sets):
        weights = np.concatenate(list(group_weights(np.arange(60), 300, seed))) / 60
        x = rng.exponential(size=60)
        replicates = weights @ x
        intervals = (
            percentile_interval(replicates, expanded_level(60)),
            skewed_interval(replicates, acceleration((x.sum() - x) / 59), 60),
        )
        above += np.array([hi for _, hi in intervals]) < 1.0
        below += np.array([lo for lo, _ in intervals]) > 1.0
    assert above[1] < above[0]
    assert abs(above[1] - below[1]) < abs(above[0] - below[0])
    # Three standard errors of so many sets.
    assert (above[1] + below[1]) / sets == pytest.approx(0.05, abs=3 * np.sqrt(0.05 / sets))


def test_the_rule_of_means_minds_groups_and_skewness(calibrated) -> None:
    """Without a skewness the replicates' quantiles for so few groups, else those moved by it."""
    scored = Scored(*calibrated(40), np.arange(40) // 4, ("a", "b"))
    replicates = np.random.default_rng(0).gamma(4.0, 0.1, 400)
    plain = percentile(Estimate(0.4, replicates), [scored])
    assert plain == pytest.approx(percentile_interval(replicates, expanded_level(10)))
    skewed = percentile(Estimate(0.4, replicates, lambda: 0.8), [scored])
    assert skewed == pytest.approx(skewed_interval(replicates, 0.8, 10))
    assert skewed != pytest.approx(plain)
