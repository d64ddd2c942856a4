"""Means, intervals and paired differences against naive bootstraps and known coverage."""

import numpy as np
import pandas as pd
import pytest

from labelppl.comparison.table import (
    KEYS,
    Unseen,
    replicates_of,
    row_of,
    scored_of,
    summarise,
)
from labelppl.metrics.bootstrap import group_weights
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.metrics.intervals import Estimate
from labelppl.metrics.listed import METRICS

CLASSES = ("a", "b")


def rows_of(probs, tested):
    """A row of metrics for each method and repeat of `probs`."""
    return pd.DataFrame(
        [
            {"method": m, "repeat": r, **row_of(q, tested[r], CLASSES, 0)}
            for (m, r), q in probs.items()
        ]
    )


def made(seed, n=120, repeats=3, groups=None, p_true=True):
    """Test cases and the predictions of two methods, `prob` the better one."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.7, 0.7, n)
    y = (rng.random(n) < p).astype(np.int64)
    truth = np.column_stack([1 - p, p])
    tested = [
        Unseen(y, np.arange(n) if groups is None else groups, truth, truth if p_true else None)
    ] * repeats
    probs = {}
    for name, noise in (("hard", 2.0), ("prob", 0.5)):
        for r in range(repeats):
            z = np.log(p / (1 - p)) + noise * rng.standard_normal(n)
            q = 1 / (1 + np.exp(-z))
            probs[name, r] = np.column_stack([1 - q, q])
    rows = rows_of(probs, tested)
    return probs, rows, tested


def value(summary, method, metric, column):
    row = summary[(summary["method"] == method) & (summary["metric"] == metric)]
    return float(row[column].iloc[0])


def test_rows_hold_the_metrics_of_evaluation():
    probs, rows, tested = made(0)
    whole = evaluate_probs(
        probs["prob", 1],
        tested[1].labels,
        classes=CLASSES,
        soft=tested[1].soft,
        p_true=tested[1].p_true,
        n_boot=0,
    )
    row = rows[(rows["method"] == "prob") & (rows["repeat"] == 1)].iloc[0]
    columns = [key for key in rows if key not in ("method", "repeat", "n")]
    for key in columns:
        assert row[key] == pytest.approx(whole.values[key])
    assert row["n"] == 120
    assert set(columns) == set(KEYS) - {"n", "realised_accuracy", "realised_auc"}


def test_replicates_at_unit_weights_are_the_metrics():
    probs, rows, tested = made(1)
    one = np.ones((1, 120))
    scored = scored_of(probs["hard", 0], tested[0], seed=0)
    compared = [m for m in METRICS if m.key in rows and m.interval is not None]
    assert {"accuracy", "ece", "smece", "kl", "soft_auc", "hl_statistic"} <= {
        m.key for m in compared
    }
    for metric in compared:
        assert replicates_of(metric, scored, one)[0] == pytest.approx(rows.iloc[0][metric.key])


def test_interval_of_one_repeat_follows_the_rule_of_evaluate():
    """smECE's interval joins the percentile interval, in compare as in evaluate."""
    probs, rows, tested = made(5, repeats=1)
    summary = summarise(probs, rows, tested, 300, 0)
    for key in ("smece", "ece", "accuracy"):
        metric = next(m for m in METRICS if m.key == key)
        scored = scored_of(probs["prob", 0], tested[0], seed=0)
        weights = np.concatenate(list(group_weights(tested[0].groups, 300, 0)))
        point = rows.set_index("method").loc["prob", key]
        expected = metric.interval.ends(
            Estimate(point, replicates_of(metric, scored, weights)), [scored]
        )
        got = value(summary, "prob", key, "lo"), value(summary, "prob", key, "hi")
        assert got == pytest.approx(expected), key


def test_means_and_differences_are_those_of_the_rows():
    probs, rows, tested = made(2)
    summary = summarise(probs, rows, tested, 50, 0)
    by_method = rows.groupby("method").mean()
    for key in ("accuracy", "nll", "ece", "hl_statistic"):
        assert value(summary, "prob", key, "mean") == pytest.approx(by_method.loc["prob", key])
        gap = by_method.loc["prob", key] - by_method.loc["hard", key]
        assert value(summary, "prob", key, "difference") == pytest.approx(gap)
        assert np.isnan(value(summary, "hard", key, "difference"))


def test_interval_of_one_repeat_equals_a_naive_bootstrap_over_groups():
    groups = np.arange(120) // 3
    probs, rows, tested = made(3, repeats=1, groups=groups)
    summary = summarise(probs, rows, tested, 4000, 0)
    rng = np.random.default_rng(9)
    y = tested[0].labels
    loss = {m: -np.log(probs[m, 0][np.arange(120), y]) for m in ("hard", "prob")}
    means, gaps = [], []
    for _ in range(4000):
        cases = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(0, 40, 40)])
        means.append(loss["prob"][cases].mean())
        gaps.append(means[-1] - loss["hard"][cases].mean())
    width = np.std(means)
    # 4,000 draws leave about .04 standard deviations of noise in a 2.5 % quantile.
    for column, q in (("lo", 0.025), ("hi", 0.975)):
        got = value(summary, "prob", "nll", column)
        assert abs(got - np.quantile(means, q)) < 0.2 * width
        got = value(summary, "prob", "nll", f"difference_{column}")
        assert abs(got - np.quantile(gaps, q)) < 0.2 * np.std(gaps)


def test_equal_methods_differ_by_exactly_nothing():
    probs, rows, tested = made(4)
    same = {(m, r): probs["prob", r] for m in ("hard", "prob") for r in range(3)}
    own = rows[rows["method"] == "prob"]
    summary = summarise(same, pd.concat([own.assign(method="hard"), own]), tested, 100, 0)
    for key in ("nll", "auc", "ece"):
        for column in ("difference", "difference_lo", "difference_hi"):
            assert value(summary, "prob", key, column) == 0
        assert value(summary, "prob", key, "hi") > value(summary, "prob", key, "lo")


def test_interval_covers_the_spread_over_repeats():
    """All labels alike and one forecast per repeat: nothing varies but the repeats."""
    q = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    unseen = [Unseen(np.ones(20, dtype=np.int64), np.arange(20), None, None)] * 6
    probs = {("hard", r): np.tile([1 - q[r], q[r]], (20, 1)) for r in range(6)}
    rows = rows_of(probs, unseen)
    summary = summarise(probs, rows, unseen, 4000, 0)
    drawn = np.random.default_rng(8).choice(-np.log(q), (4000, 6)).mean(1)
    for column, level in (("lo", 0.025), ("hi", 0.975)):
        got = value(summary, "hard", "nll", column)
        assert abs(got - np.quantile(drawn, level)) < 0.2 * drawn.std()


def test_repeats_that_agree_leave_the_interval_of_one():
    probs, rows, tested = made(5, repeats=1)
    single = summarise(probs, rows, tested, 300, 0)
    copied = {(m, r): probs[m, 0] for m in ("hard", "prob") for r in range(4)}
    more = pd.concat([rows.assign(repeat=r) for r in range(4)])
    copies = summarise(copied, more, tested * 4, 300, 0)
    columns = ["mean", "lo", "hi", "difference_lo", "difference_hi"]
    pd.testing.assert_frame_equal(single[columns], copies[columns])


def test_a_method_that_missed_a_repeat_is_paired_over_the_others():
    probs, rows, tested = made(6)
    del probs["prob", 2]
    rows = rows[~((rows["method"] == "prob") & (rows["repeat"] == 2))]
    summary = summarise(probs, rows, tested, 50, 0)
    shared = rows[rows["repeat"] < 2].groupby("method")["accuracy"].mean()
    gap = shared["prob"] - shared["hard"]
    assert value(summary, "prob", "accuracy", "difference") == pytest.approx(gap)
    assert value(summary, "prob", "accuracy", "repeats") == 2


def test_no_bootstrap_no_intervals():
    probs, rows, tested = made(7, repeats=1, p_true=False)
    summary = summarise(probs, rows, tested, 0, 0)
    assert summary["lo"].isna().all()
    assert "kl_true" not in set(summary["metric"])


def test_no_interval_excludes_its_estimate():
    """Cases that happen to look better calibrated than they are: most replicates' error lies above theirs."""
    rng = np.random.default_rng(11)
    p = rng.beta(0.7, 0.7, 60)
    y = (rng.random(60) < p).astype(np.int64)
    tested = [Unseen(y, np.arange(60), None, None)]
    exact = np.column_stack([1 - p, p])
    probs = {("hard", 0): exact, ("prob", 0): 0.05 + 0.9 * exact}
    rows = rows_of(probs, tested)
    summary = summarise(probs, rows, tested, 200, 0).dropna(subset=["lo"])
    assert (summary["lo"] <= summary["mean"]).all()
    assert (summary["mean"] <= summary["hi"]).all()
    gaps = summary.dropna(subset=["difference_lo"])
    assert (gaps["difference_lo"] <= gaps["difference"]).all()
    assert (gaps["difference"] <= gaps["difference_hi"]).all()
