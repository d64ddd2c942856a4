"""The graded words on calibration."""

import numpy as np
import pytest

from labelppl.metrics import evaluate_probs
from labelppl.metrics.scored import Scored
from labelppl.metrics.verdict import FEW_TO_TELL, GRADES, SMECE_P, grade, verdict


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
