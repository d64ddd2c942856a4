"""accuracy, macro_accuracy and auc: by hand, by naive loops, and the replicates by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from labelppl.metrics.accuracy import accuracy
from labelppl.metrics.auc import auc, auc_replicates
from labelppl.metrics.macro_accuracy import macro_accuracy, macro_accuracy_replicates


def test_accuracy_counts_the_largest_probability_and_ties_go_first() -> None:
    probs = [[0.6, 0.4], [0.3, 0.7], [0.5, 0.5], [0.5, 0.5]]
    assert accuracy(probs, [0, 0, 0, 1]) == 0.5


def test_macro_accuracy_is_the_mean_recall_over_present_classes() -> None:
    probs = np.eye(3)[[0, 0, 0, 1, 2]]
    # Class 0: two of two right; class 1: one of three; class 2 absent among the labels.
    assert macro_accuracy(probs, [0, 0, 1, 1, 1]) == pytest.approx((1 + 1 / 3) / 2)


def test_auc_is_the_share_of_ordered_pairs_with_ties_one_half(calibrated) -> None:
    probs, labels = calibrated(60)
    probs = np.round(probs, 1)
    up, down = probs[labels == 1, 1], probs[labels == 0, 1]
    wins = [(a > b) + 0.5 * (a == b) for a in up for b in down]
    assert auc(probs, labels) == pytest.approx(np.mean(wins), abs=1e-12)


def test_auc_of_many_classes_is_macro_one_against_rest(calibrated) -> None:
    probs, labels = calibrated(200, classes=4)
    expected = roc_auc_score(labels, probs, multi_class="ovr", average="macro")
    assert auc(probs, labels) == pytest.approx(expected, abs=1e-12)


def test_auc_leaves_out_an_absent_class_and_is_undefined_for_one_class(calibrated) -> None:
    probs, labels = calibrated(200, classes=3)
    labels = np.minimum(labels, 1)
    expected = np.mean([roc_auc_score(labels == k, probs[:, k]) for k in (0, 1)])
    assert auc(probs, labels) == pytest.approx(expected, abs=1e-12)
    assert auc(probs, np.zeros(200, dtype=int)) is None


@pytest.mark.parametrize("classes", [2, 3])
def test_replicates_equal_the_metric_of_the_repeated_cases(calibrated, classes: int) -> None:
    probs, labels = calibrated(80, classes)
    probs = np.round(probs, 2)
    rng = np.random.default_rng(1)
    weights = rng.multinomial(80, np.full(80, 1 / 80), 20).astype(float)
    areas = auc_replicates(probs, labels, weights)
    recalls = macro_accuracy_replicates(probs, labels, weights)
    for w, area, recall in zip(weights, areas, recalls, strict=True):
        rows = np.repeat(np.arange(80), w.astype(int))
        score = [
            roc_auc_score(labels[rows] == k, probs[rows, k])
            for k in ([1] if classes == 2 else range(classes))
        ]
        assert area == pytest.approx(np.mean(score), abs=1e-12)
        expected = balanced_accuracy_score(labels[rows], probs[rows].argmax(axis=1))
        assert recall == pytest.approx(expected, abs=1e-12)


def test_a_replicate_with_one_class_has_no_auc() -> None:
    probs, labels = np.array([[0.2, 0.8], [0.7, 0.3]]), np.array([1, 0])
    result = auc_replicates(probs, labels, np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(result[0])
    assert result[1] == 1.0
