"""Metrics against p(Y|Z), top-k and risk-coverage as metrics: every CHECK of docs/methods.md §12."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, top_k_accuracy_score

from labelppl.errors import InputError
from labelppl.metrics import Metric, evaluate_probs
from labelppl.metrics.bootstrap import group_weights
from labelppl.metrics.scored import Scored
from labelppl.metrics.soft_metrics import SOFT_METRICS, soft_accuracy, soft_ap, soft_auc
from labelppl.metrics.top_k import default_top, top_k

S = np.array([0.9, 0.8, 0.6, 0.4, 0.3, 0.1])
P = np.array([0.95, 0.6, 0.7, 0.2, 0.4, 0.05])


def test_closed_forms(binary) -> None:
    assert soft_accuracy(binary(S), binary(P)) == pytest.approx(0.76667, abs=5e-6)
    assert soft_auc(binary(S), binary(P)) == pytest.approx(0.84804, abs=5e-6)
    assert soft_ap(binary(S), binary(P)) == pytest.approx(0.89675, abs=5e-6)


def test_they_are_the_metrics_themselves_on_certain_labels(calibrated) -> None:
    probs, labels = calibrated(80)
    probs = probs.round(1)
    one_hot = np.eye(2)[labels]
    assert soft_auc(probs, one_hot) == pytest.approx(roc_auc_score(labels, probs[:, 1]))
    assert soft_ap(probs, one_hot) == pytest.approx(average_precision_score(labels, probs[:, 1]))


def test_replicates_count_a_drawn_case_as_often_as_it_was_drawn(calibrated, binary) -> None:
    """A case and its copy are one case: they make no pair, but weigh twice."""
    probs, soft = calibrated(12)[0], calibrated(12, seed=1)[0]
    weights = np.random.default_rng(0).integers(0, 3, (1, 12)).astype(float)
    s, p, w = probs[:, 1], soft[:, 1], weights[0]
    over = under = 0.0
    for i, j in itertools.permutations(range(12), 2):
        pair = w[i] * w[j] * p[i] * (1 - p[j])
        over += pair * ((s[i] > s[j]) + 0.5 * (s[i] == s[j]))
        under += pair
    metric = next(m for m in SOFT_METRICS if m.key == "soft_auc")
    scored = Scored(probs, np.zeros(12, int), np.arange(12), ("a", "b"), soft=soft)
    assert metric.replicate(scored, weights)[0] == pytest.approx(over / under)


def test_spread_over_labels_and_over_cases_are_two_things(binary) -> None:
    """(i) these cases: sd .16202; (ii) the population, p known: .05971."""
    draws = np.repeat(binary(P)[None], 2, axis=0)
    rng = np.random.default_rng(0)
    hits = np.where(S > 0.5, P, 1 - P)
    realised = [(rng.random(6) < hits).mean() for _ in range(20_000)]
    assert np.std(realised) == pytest.approx(0.16202, abs=0.003)
    found = evaluate_probs(
        binary(S), np.full(6, -1), classes=["a", "b"], soft=binary(P), draws=draws, n_boot=4000
    )
    assert found.soft_accuracy == pytest.approx(0.76667, abs=5e-6)
    assert found.realised_accuracy == pytest.approx(0.76667, abs=4 * 0.162 / np.sqrt(500))
    lo, hi = found.intervals["realised_accuracy"]
    # Accuracy on six cases is a sixth: the interval is that of the exact distribution.
    assert (lo, hi) == pytest.approx((0.5, 1.0), abs=0.17)
    scored = Scored(binary(S), np.full(6, -1), np.arange(6), ("a", "b"), soft=binary(P))
    weights = np.concatenate(list(group_weights(np.arange(6), 4000, 0)))
    metric = next(m for m in SOFT_METRICS if m.key == "soft_accuracy")
    assert np.std(metric.replicate(scored, weights)) == pytest.approx(0.05971, rel=0.05)


def test_draws_of_the_label_model_widen_the_population_interval(calibrated) -> None:
    probs, _ = calibrated(60)
    soft, _ = calibrated(60, seed=1)
    tilt = np.array([0.6, 1.6])
    draws = np.stack([soft * [1, t] / (soft * [1, t]).sum(axis=1, keepdims=True) for t in tilt])
    mean = draws.mean(axis=0)
    fixed = evaluate_probs(probs, np.full(60, -1), classes=["a", "b"], soft=mean)
    drawn = evaluate_probs(probs, np.full(60, -1), classes=["a", "b"], soft=mean, draws=draws)
    width = {
        name: np.diff(m.intervals["soft_accuracy"])[0]
        for name, m in (("fixed", fixed), ("drawn", drawn))
    }
    assert width["drawn"] >= width["fixed"]
    with pytest.raises(InputError, match="draws"):
        evaluate_probs(probs, np.full(60, -1), classes=["a", "b"], draws=draws[:, :5])


def test_top_k_is_scikit_learns_and_ties_go_to_the_first(calibrated) -> None:
    probs, labels = calibrated(200, classes=6)
    for k in (1, 3, 5):
        expected = top_k_accuracy_score(labels, probs, k=k, labels=range(6))
        assert top_k(probs, labels, k) == pytest.approx(expected)
    tied = np.full((1, 4), 0.25)
    assert [top_k(tied, [y], 2) for y in range(4)] == [1, 1, 0, 0]
    with pytest.raises(InputError, match="expected 1 to 6"):
        top_k(probs, labels, 7)
    assert [default_top(k) for k in (2, 3, 5, 6)] == [None, 2, 2, 5]
    found = evaluate_probs(probs, labels, classes=[*"abcdef"], n_boot=0)
    assert found.top5 == pytest.approx(top_k(probs, labels, 5))
    assert "top3" in evaluate_probs(probs, labels, classes=[*"abcdef"], top=3, n_boot=0).values


def test_a_metric_of_ones_own_gets_an_interval_from_resampled_cases(calibrated) -> None:
    probs, labels = calibrated(100)
    own = Metric(
        "right", "Right", "accuracy again", "up", needs=("labels",),
        value=lambda scored: float((scored.probs.argmax(axis=1) == scored.labels).mean()),
    )  # fmt: skip
    found = evaluate_probs(probs, labels, classes=["a", "b"], metrics=[own], n_boot=300)
    assert found.right == found.accuracy
    assert found.intervals["right"] == pytest.approx(found.intervals["accuracy"])
    assert found.meaning("right") == "accuracy again"
    with pytest.raises(InputError, match="two are called accuracy"):
        evaluate_probs(
            probs,
            labels,
            classes=["a", "b"],
            metrics=[Metric("accuracy", "", "", "up", lambda s: 0.0)],
        )
    with pytest.raises(InputError, match="expected one of"):
        evaluate_probs(probs, labels, classes=["a", "b"], metrics=["f2"])


def test_subgroups_are_the_metrics_of_their_cases(calibrated) -> None:
    probs, labels = calibrated(90)
    sex = np.array(["f", "m", "m"] * 30)
    found = evaluate_probs(probs, labels, classes=["a", "b"], by={"sex": sex}, n_boot=50)
    own = evaluate_probs(probs[sex == "f"], labels[sex == "f"], classes=["a", "b"], n_boot=50)
    for key in ("accuracy", "auc", "smece", "sensitivity"):
        assert found.values[f"by/sex/f/{key}"] == pytest.approx(own.values[key])
    assert found.values["by/sex/m/n"] == 60
    assert any("by chance alone" in note for note in found.notes)
    with pytest.raises(InputError, match="at most 20"):
        evaluate_probs(probs, labels, classes=["a", "b"], by={"age": np.arange(90) % 21})
    evaluate_probs(probs, labels, classes=["a", "b"], by={"age": np.arange(90) % 20}, n_boot=0)
