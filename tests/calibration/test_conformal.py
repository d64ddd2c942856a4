"""Prediction sets and abstaining: every CHECK of docs/methods.md §11 and §13."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from labelppl.calibration import Conformal, choose_confidence, fit_conformal
from labelppl.calibration.confidence import Confidence, scaled_largest
from labelppl.calibration.conformal import coverage_range, set_scores
from labelppl.calibration.risk_coverage import aurc, coverage_at_risk, excess_aurc
from labelppl.errors import InputError

Q = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.2, 0.7, 0.1]])
SOFT = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6], [0.1, 0.9, 0]])


@pytest.mark.parametrize(("alpha", "limit"), [(0.2, 0.9), (0.3, 0.7), (0.4, 0.6)])
def test_limit_of_many_labels_per_case(alpha: float, limit: float) -> None:
    assert fit_conformal(Q, SOFT, alpha=alpha).limit == pytest.approx([limit] * 3)


def test_many_drawn_labels_approach_the_limit_and_one_is_ordinary_conformal() -> None:
    many = fit_conformal(Q, SOFT, alpha=0.3, labels_per_case=4000)
    assert many.limit == pytest.approx([0.7] * 3)
    one = fit_conformal(Q, np.eye(3)[[0, 1, 2, 1]], alpha=0.3, labels_per_case=1)
    assert one.limit == fit_conformal(Q, [0, 1, 2, 1], alpha=0.3).limit


def test_adaptive_scores() -> None:
    p = np.array([[0.5, 0.3, 0.2]])
    assert set_scores(p, "adaptive")[0] == pytest.approx([0.5, 0.8, 1])
    assert set_scores(p, "adaptive", u=0.4)[0] == pytest.approx([0.2, 0.62, 0.88])
    raps = set_scores(p, "adaptive", u=0.4, penalty=0.1, free=1)[0]
    assert raps == pytest.approx([0.2, 0.72, 1.08])
    shuffled = set_scores(p[:, [2, 0, 1]], "adaptive")[0]
    assert shuffled == pytest.approx([1, 0.5, 0.8])


def test_coverage_given_the_calibration_cases() -> None:
    assert coverage_range(50, 0.1) == pytest.approx((0.82621, 0.95976), abs=1e-5)
    assert coverage_range(9, 0.1) == pytest.approx((0.71687, 0.99432), abs=1e-5)
    assert coverage_range(8, 0.1) == (1.0, 1.0)


def test_too_few_cases_keep_every_class() -> None:
    """n >= 1/alpha − 1: nine cases at alpha = .1 will do, eight will not."""
    p, y = np.tile([[0.6, 0.4]], (9, 1)), np.zeros(9, dtype=int)
    assert np.isfinite(fit_conformal(p, y).limit).all()
    few = fit_conformal(p[:8], y[:8])
    assert np.isinf(few.limit).all()
    assert few.sets([[0.99, 0.01]]).all()


def test_by_class_uses_the_cases_of_the_class() -> None:
    p = np.column_stack([np.linspace(0.1, 0.9, 40), 1 - np.linspace(0.1, 0.9, 40)])
    y = np.arange(40) % 2
    sets = fit_conformal(p, y, by_class=True)
    for k in (0, 1):
        own = np.sort(1 - p[y == k, k])
        assert sets.limit[k] == pytest.approx(own[int(np.ceil(21 * 0.9)) - 1])
    assert sets.cases == (20, 20)
    soft = fit_conformal(Q, SOFT, alpha=0.4, by_class=True)
    assert soft.cases == pytest.approx(SOFT.sum(axis=0))


def test_a_set_is_never_empty_and_a_record_gives_it_back() -> None:
    sets = Conformal((0.1, 0.1), 0.1, cases=(5.0, 5.0))
    assert sets.sets([[0.6, 0.4]]).tolist() == [[True, False]]
    endless = Conformal((np.inf, 0.3), 0.2, "adaptive", 0.1, 2, True, (3.0, 9.0))
    assert Conformal.from_record(endless.record()) == endless
    with pytest.raises(InputError, match="not a record"):
        Conformal.from_record({"limit": [0.1]})
    for wrong in ({"alpha": 1.5}, {"alpha": 1.0}, {"alpha": 0.0}, {"score": "best"}):
        with pytest.raises(InputError, match="not a record"):
            Conformal.from_record({**endless.record(), **wrong})
    default = Conformal((0.1, 0.1), 0.1)
    assert (default.free, default.penalty, default.score, default.by_class) == (
        1,
        0.0,
        "label",
        False,
    )


def test_bad_options_are_refused() -> None:
    for options in ({"alpha": 0.0}, {"alpha": 1.0}, {"score": "best"}, {"labels_per_case": 0}):
        with pytest.raises(InputError, match=next(iter(options))):
            fit_conformal(Q, SOFT, **options)
    with pytest.raises(InputError, match="got 2 classes, expected 3"):
        fit_conformal(Q, SOFT).sets([[0.5, 0.5]])


def test_monte_carlo_sets_cover_the_truth_where_voted_labels_fall_short() -> None:
    """docs/methods.md §11: voted .684, m = 1 .903, m = ∞ .929, over 1,000 calibration sets of 30 cases."""
    rng = np.random.default_rng(0)
    covered = {"voted": [], "one": [], "limit": []}
    for _ in range(1000):
        p = expit(1.5 * rng.standard_normal(30))
        q = np.column_stack([1 - p, p])
        new = expit(1.5 * rng.standard_normal(20))
        test = np.column_stack([1 - new, new])
        references = {
            "voted": (p > 0.5).astype(int),
            "one": (rng.random(30) < p).astype(int),
            "limit": q,
        }
        for name, reference in references.items():
            member = 1 - test <= np.array(fit_conformal(q, reference).limit)
            covered[name].append((test * member).sum(axis=1).mean())
    means = {name: np.mean(values) for name, values in covered.items()}
    assert means["voted"] == pytest.approx(0.684, abs=0.02)
    assert means["one"] == pytest.approx(0.903, abs=0.012)
    assert means["limit"] == pytest.approx(0.929, abs=0.012)


def test_over_200_sets_the_truth_is_covered_as_often_as_promised() -> None:
    """One new case after each calibration set of 30; its label is drawn from the true p(Y|X)."""
    rng, sets, promised = np.random.default_rng(2), 200, 0.9
    covered = {"voted": 0, "drawn": 0, "soft": 0}
    for seed in range(sets):
        p = expit(1.5 * rng.standard_normal(31))
        probs = np.column_stack([1 - p, p])
        label = int(rng.random() < p[-1])
        references = {
            "voted": probs[:-1].argmax(axis=1),
            "drawn": probs[:-1],
            "soft": probs[:-1],
        }
        for name, reference in references.items():
            drawn = 1 if name == "drawn" else None
            fitted = fit_conformal(
                probs[:-1], reference, alpha=1 - promised, labels_per_case=drawn, seed=seed
            )
            covered[name] += bool(fitted.sets(probs[-1:])[0, label])
    low = binom.ppf(0.005, sets, promised)
    # One label per case covers at most 1 / (n + 1) more than promised.
    high = binom.ppf(0.995, sets, promised + 1 / 31)
    assert low <= covered["drawn"] <= high
    assert low <= covered["soft"]
    assert covered["voted"] < low


def test_risk_coverage_area() -> None:
    confidence, wrong = np.array([5, 4, 3, 2, 1]), np.array([0, 0, 1, 0, 1])
    assert aurc(confidence, wrong) == pytest.approx(0.19667, abs=5e-6)
    assert excess_aurc(confidence, wrong) == pytest.approx(0.06667, abs=5e-6)
    assert aurc([3, 3, 3, 2, 1], wrong) == pytest.approx(0.33, abs=1e-9)
    assert coverage_at_risk(confidence, wrong, 0.25)[0] == 0.8
    assert coverage_at_risk(confidence, wrong, 0.25)[1] == 2
    assert coverage_at_risk(confidence, [1, 1, 1, 1, 1], 0.5) == (0.0, np.inf)
    for risk in (1.0, 0.0, -0.5):
        with pytest.raises(InputError, match="risk"):
            coverage_at_risk(confidence, wrong, risk)
    assert coverage_at_risk([3, 3, 2], [0, 1, 0], 0.4) == (1.0, 2.0)
    assert coverage_at_risk([3, 3, 2], [0, 1, 1], 0.5)[0] == pytest.approx(2 / 3)
    for pair in (([1, 2], [0]), ([[1, 2]], [[0, 1]]), ([], [])):
        with pytest.raises(InputError, match="errors"):
            aurc(*pair)


def test_normalised_confidence() -> None:
    logits = np.array([[3.0, 1, 0], [6, 2, 0]])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert p.max(axis=1) == pytest.approx([0.84380, 0.97963], abs=1e-5)
    assert scaled_largest(p, 2.0) == pytest.approx([0.77152] * 2, abs=5e-6)
    with pytest.raises(InputError, match="two classes"):
        scaled_largest(p[:, :2] / p[:, :2].sum(axis=1, keepdims=True), 2.0)


def test_the_largest_probability_is_kept_unless_the_other_ranks_better() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (400, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    chosen = choose_confidence(p, p, risk=0.2)
    assert (chosen.kind, chosen.exponent, chosen.risk) == ("largest", 0.0, 0.2)
    errors = 1 - p.max(axis=1)
    kept = chosen.answers(p)
    assert errors[kept].mean() <= 0.2
    assert kept.mean() == pytest.approx(chosen.coverage)
    # A student whose sharpness says nothing of its risk: each case's logits are scaled at random.
    centred = logits - logits.mean(axis=1, keepdims=True)
    even = 2 * centred / np.linalg.norm(centred, axis=1, keepdims=True)
    truth = np.exp(even) / np.exp(even).sum(axis=1, keepdims=True)
    scaled = even * rng.uniform(0.2, 5, (400, 1))
    student = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)
    better = choose_confidence(student, truth, risk=0.15)
    assert better.kind == "normalised"
    assert better.exponent >= 1
    asked = choose_confidence(student, truth, risk=0.15, kind="largest")
    assert asked.kind == "largest"
    assert asked.coverage < better.coverage
    two = choose_confidence(
        student[:, :2] / student[:, :2].sum(1, keepdims=True), [0, 1] * 200, risk=0.4
    )
    assert two.kind == "largest"
    assert Confidence.from_record(better.record()) == better
    with pytest.raises(InputError, match="no valid confidence"):
        Confidence.from_record({"kind": "best"})
