"""The graded words on calibration."""

import math

import numpy as np
import pytest

from labelppl.metrics import evaluate_probs
from labelppl.metrics.null_band import null_of
from labelppl.metrics.reliability import Reliability
from labelppl.metrics.scored import Scored
from labelppl.metrics.verdict import (
    FEW_TO_TELL,
    GRADES,
    SMECE_P,
    _p_in_words,
    grade,
    outside,
    verdict,
)


@pytest.mark.parametrize(
    ("p", "word"),
    [
        (0.1, "no"), (0.0999, "weak"), (0.05, "weak"), (0.0499, "moderate"), (0.01, "moderate"),
        (0.00999, "strong"), (0.001, "strong"), (0.000999, "very strong"),
    ],
)  # fmt: skip
def test_grades_change_at_their_marks(p: float, word: str) -> None:
    assert GRADES[grade(p)] == word


def test_a_calibrated_student_an_overconfident_one_and_a_small_run(calibrated) -> None:
    probs, labels = calibrated(1000)
    good = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=100).verdict
    assert good.startswith("No evidence of miscalibration")
    assert "cannot be excluded with 1000 cases" in good
    sharp = probs**3 / (probs**3).sum(axis=1, keepdims=True)
    bad = evaluate_probs(sharp, labels, classes=["a", "b"], n_boot=100).verdict
    assert bad.startswith("Very strong evidence of miscalibration")
    assert "p below 0.001" in bad
    few = evaluate_probs(probs[:60], labels[:60], classes=["a", "b"], n_boot=100).verdict
    assert "60 cases cannot tell" in few
    for text in (good, bad, few):
        assert "is calibrated" not in text


def test_few_is_just_below_its_mark(calibrated) -> None:
    probs, labels = calibrated(FEW_TO_TELL)
    said = [
        verdict(Scored(probs[:n], labels[:n], np.arange(n), ("a", "b")), None)
        for n in (FEW_TO_TELL - 1, FEW_TO_TELL)
    ]
    assert "cannot tell" in said[0]
    assert "cannot tell" not in said[1]


def test_groups_are_said_to_make_p_too_small(calibrated) -> None:
    probs, labels = calibrated(120)
    scored = Scored(probs, labels, np.arange(120) // 2, ("a", "b"))
    assert "not independent" in verdict(scored, None)


def test_p_of_a_calibrated_student_is_uniform(calibrated) -> None:
    values = []
    for seed in range(120):
        probs, labels = calibrated(60, seed=seed)
        values.append(SMECE_P.value(Scored(probs, labels, np.arange(60), ("a", "b"))))
    below = np.mean(np.array(values) < 0.25)
    assert below == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 120))


def test_the_sentence_names_the_error_and_both_ends(calibrated) -> None:
    probs, labels = calibrated(300)
    scored = Scored(probs, labels, np.arange(300), ("a", "b"))
    said = verdict(scored, (0.0123, 0.0456))
    assert "[0.012, 0.046]" in said
    assert "errors up to 0.046 cannot be excluded with 300 cases" in said
    assert "[" not in verdict(scored, None).split(".")[0]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_bins_outside_their_band_are_as_unlikely_as_binomial_tails_say(count: int) -> None:
    """Of ten bins, each outside its 90 % band with probability .1; ends of the band are inside."""
    forecast = np.linspace(0.05, 0.95, 10)
    frequency = forecast.copy()
    frequency[:count] = forecast[:count] + 0.3
    bands = {"lo": forecast.copy(), "hi": forecast.copy()}
    nothing = np.zeros(0)
    curve = Reliability(
        "positive", forecast, frequency, np.full(10, 20.0), **bands, at=nothing, smooth=nothing,
        smooth_lo=nothing, smooth_hi=nothing, width=0.1, level=0.9,
    )  # fmt: skip
    places, p = outside(curve)
    assert places == pytest.approx(forecast[:count])
    tail = sum(math.comb(10, k) * 0.1**k * 0.9 ** (10 - k) for k in range(count, 11))
    assert p == pytest.approx(tail)


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.05, "p = 0.05"), (0.0123, "p = 0.012"), (0.001, "p = 0.001"), (0.00099, "p below 0.001")],
)
def test_a_p_value_in_words(p: float, words: str) -> None:
    assert _p_in_words(p) == words


def test_the_p_of_the_smooth_error_counts_the_cases_themselves(calibrated) -> None:
    """(1 + as large ones) / (1 + draws), so never 0."""
    probs, labels = calibrated(400)
    sharp = probs**4 / (probs**4).sum(axis=1, keepdims=True)
    scored = Scored(sharp, labels, np.arange(400), ("a", "b"))
    draws = null_of(scored).smece_draws
    assert SMECE_P.value(scored) == pytest.approx(1 / (len(draws) + 1))
