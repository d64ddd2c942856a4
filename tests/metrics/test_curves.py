"""Curves against scikit-learn and plain loops, and their bands against the resamples they are made of."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from labelppl.metrics.bootstrap import group_weights
from labelppl.metrics.curves import COLUMNS, POINTS, _moved, curves
from labelppl.metrics.scored import Scored


@pytest.fixture
def scored(calibrated) -> Scored:
    probs, labels = calibrated(70)
    probs = probs.round(1)  # ties
    return Scored(probs, labels, np.arange(70) // 2, ("a", "b"))


def curve(scored: Scored, name: str):
    frame = curves(scored)
    return frame[frame["curve"] == name].reset_index(drop=True)


def test_roc_is_scikit_learns(scored: Scored) -> None:
    """The most sensitive threshold whose false-positive rate is not above the place."""
    fpr, tpr, _ = roc_curve(scored.labels, scored.probs[:, 1], drop_intermediate=False)
    got = curve(scored, "roc")
    np.testing.assert_allclose(got["x"], np.linspace(0, 1, POINTS + 1))
    expected = [tpr[fpr <= x + 1e-9].max() for x in got["x"]]
    np.testing.assert_allclose(got["y"], expected)


def test_precision_is_scikit_learns(scored: Scored) -> None:
    """At the highest threshold whose recall reaches the place."""
    precision, recall, _ = precision_recall_curve(scored.labels, scored.probs[:, 1])
    got = curve(scored, "precision_recall")
    assert len(got) == POINTS
    assert got["x"].iloc[[0, -1]].tolist() == pytest.approx([1 / POINTS, 1])
    expected = [precision[np.flatnonzero(recall >= x - 1e-9)[-1]] for x in got["x"]]
    np.testing.assert_allclose(got["y"], expected)


def test_risk_among_the_most_confident(scored: Scored) -> None:
    confidence = scored.probs.max(1)
    order = np.argsort(-confidence, kind="stable")
    wrong = (scored.probs.argmax(1) != scored.labels)[order]
    got = curve(scored, "risk_coverage")
    for x, y in zip(got["x"], got["y"], strict=True):
        answered = int(np.ceil(x * len(wrong) - 1e-9))
        assert y == pytest.approx(wrong[:answered].mean())
    assert got["x"].iloc[[0, -1]].tolist() == pytest.approx([1 / POINTS, 1])


def test_the_band_is_that_of_the_resampled_groups(scored: Scored) -> None:
    """Pointwise 2.5 % and 97.5 % of the curve of each resample, a repeated case counted as often as drawn."""
    got = curve(scored, "roc")
    groups = np.arange(70) // 2
    rows = []
    for weights in np.concatenate(list(group_weights(groups, 200, 0))):
        again = np.repeat(np.arange(70), weights.astype(int))
        fpr, tpr, _ = roc_curve(
            scored.labels[again], scored.probs[again, 1], drop_intermediate=False
        )
        rows.append([tpr[fpr <= x + 1e-9].max() for x in got["x"]])
    np.testing.assert_allclose(got["lo"], np.quantile(rows, 0.025, axis=0))
    np.testing.assert_allclose(got["hi"], np.quantile(rows, 0.975, axis=0))


def test_one_group_has_no_band_and_one_class_no_curve(calibrated) -> None:
    probs, labels = calibrated(30)
    alone = curves(Scored(probs, labels, np.zeros(30, int), ("a", "b")))
    banded = alone[alone["curve"] != "treat_all"]
    assert banded["lo"].isna().all()
    assert banded["hi"].isna().all()
    nobody = curves(Scored(probs, np.zeros(30, int), np.arange(30), ("a", "b")))
    assert set(nobody["curve"]) == {"risk_coverage"}
    everybody = curves(Scored(probs, np.ones(30, int), np.arange(30), ("a", "b")))
    assert set(everybody["curve"]) == {"risk_coverage"}
    assert list(alone.columns) == COLUMNS
    assert alone["lo"].dtype == alone["hi"].dtype == np.float64


def test_treating_all_is_prevalence_less_the_odds_of_the_threshold(scored: Scored) -> None:
    share = scored.labels.mean()
    got = curve(scored, "treat_all")
    assert got["x"].iloc[[0, -1]].tolist() == [0.01, 0.99]
    np.testing.assert_allclose(got["y"], share - (1 - share) * got["x"] / (1 - got["x"]))
    net = curve(scored, "net_benefit")
    called = scored.probs[:, 1][:, None] >= net["x"].to_numpy()
    hits = (called & (scored.labels == 1)[:, None]).mean(0)
    alarms = (called & (scored.labels == 0)[:, None]).mean(0)
    np.testing.assert_allclose(net["y"], hits - alarms * net["x"] / (1 - net["x"]), atol=1e-12)


@pytest.mark.parametrize("prevalence", [0.02, 0.5])
def test_probabilities_move_with_the_prevalence_by_the_odds(prevalence: float) -> None:
    score = np.array([0.0, 0.1, 0.6, 1.0])
    moved = _moved(score, 0.3, prevalence)
    odds = score[1:3] / (1 - score[1:3]) * (0.7 / 0.3) * prevalence / (1 - prevalence)
    np.testing.assert_allclose(moved[1:3], odds / (1 + odds))
    assert 0 < moved[0] < 1e-9
    assert 1 - 1e-9 < moved[3] < 1


def test_of_three_classes_each_is_drawn_or_the_one_asked_for(calibrated) -> None:
    probs, labels = calibrated(60, classes=3)
    scored = Scored(probs, labels, np.arange(60), ("a", "b", "c"))
    assert set(curves(scored)["class"]) == {"", "a", "b", "c"}
    assert set(curves(scored, positive=2)["class"]) == {"", "c"}
    two, codes = calibrated(60)
    both = Scored(two, codes, np.arange(60), ("a", "b"))
    assert set(curves(both)["class"]) == {"", "b"}
    assert set(curves(both, positive=0)["class"]) == {"", "a"}


def test_a_negative_on_top_costs_all_sensitivity_without_false_positives(binary) -> None:
    scored = Scored(binary([0.9, 0.8, 0.7, 0.1]), np.array([0, 1, 1, 0]), np.arange(4), ("a", "b"))
    got = curve(scored, "roc")
    assert got["y"].iloc[0] == 0
    assert got["y"][got["x"] >= 0.5].tolist() == [1.0] * (POINTS // 2 + 1)


def test_negatives_that_share_one_score_have_a_curve_too(binary) -> None:
    scored = Scored(binary([0.9, 0.8, 0.2, 0.2]), np.array([1, 1, 0, 0]), np.arange(4), ("a", "b"))
    assert curve(scored, "roc")["y"].tolist() == [1.0] * (POINTS + 1)
    assert curve(scored, "precision_recall")["y"].tolist() == [1.0] * POINTS


def test_positives_that_share_the_lowest_score_have_a_curve_too(binary) -> None:
    scored = Scored(binary([0.9, 0.8, 0.2, 0.2]), np.array([0, 0, 1, 1]), np.arange(4), ("a", "b"))
    assert curve(scored, "precision_recall")["y"].tolist() == [0.5] * POINTS
