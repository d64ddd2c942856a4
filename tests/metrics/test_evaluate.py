from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelppl.errors import InputError
from labelppl.metrics.evaluate import evaluate
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.metrics.kl import kl_divergence
from labelppl.metrics.threshold import ThresholdRule


@dataclass(frozen=True)
class Cases:
    ids: Any
    classes: tuple[str, ...]
    labels: Any
    images: tuple[Path, ...] | None
    groups: Any = None
    p_true: Any = None


@dataclass(frozen=True)
class Soft:
    ids: Any
    probs: Any
    draws: Any = None


@dataclass
class Student:
    """Answers by the name of the image, so that a wrong order is noticed."""

    answers: dict[str, Any]
    classes: tuple[str, ...] = ("well", "ill")
    seen: list[Any] = field(default_factory=list)

    def predict_proba(self, images: Any) -> Any:
        self.seen.extend(images)
        return np.stack([self.answers[path.name] for path in images]).astype(np.float32)


@pytest.fixture
def setting(calibrated) -> tuple[Student, Cases, Any]:
    probs, labels = calibrated(40)
    probs = probs.astype(np.float32).astype(np.float64)
    names = [f"{i}.png" for i in range(40)]
    labels = labels.copy()
    labels[:5] = -1
    cases = Cases(
        np.array([f"case{i}" for i in range(40)]),
        ("well", "ill"),
        labels,
        tuple(Path(n) for n in names),
        groups=np.repeat([f"p{i}" for i in range(20)], 2),
        p_true=calibrated(40, seed=7)[0],
    )
    return Student(dict(zip(names, probs, strict=True))), cases, probs


def test_equals_evaluate_probs_of_its_predictions(setting) -> None:
    student, cases, probs = setting
    found = evaluate(student, cases, seed=2)
    expected = evaluate_probs(
        probs,
        cases.labels,
        classes=cases.classes,
        p_true=cases.p_true,
        groups=cases.groups,
        seed=2,
    )
    assert found == expected
    assert student.seen == list(cases.images)
    assert found.n_groups == 20


def test_soft_labels_are_matched_by_id_not_by_place(setting, calibrated) -> None:
    student, cases, probs = setting
    soft, _ = calibrated(40, seed=3)
    order = np.random.default_rng(0).permutation(40)[:30]
    found = evaluate(student, cases, labels=Soft(cases.ids[order], soft[order]), n_boot=0)
    assert found.kl == pytest.approx(kl_divergence(soft[order], probs[order]), abs=1e-12)


def test_predictions_table(setting, tmp_path: Path) -> None:
    student, cases, probs = setting
    evaluate(student, cases, n_boot=0).save(tmp_path)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert list(table.columns) == ["id", "p_well", "p_ill", "label"]
    assert table["id"].tolist() == cases.ids.tolist()
    assert np.array_equal(table[["p_well", "p_ill"]].to_numpy(), probs)
    assert table["label"].isna().tolist() == [True] * 5 + [False] * 35
    known = table["label"].dropna().map({"well": 0, "ill": 1}).to_numpy()
    assert np.array_equal(known, cases.labels[5:])


def test_unusable_input_is_refused(setting) -> None:
    student, cases, _ = setting
    with pytest.raises(InputError, match="no column 'image'"):
        evaluate(student, Cases(cases.ids, cases.classes, cases.labels, None))
    with pytest.raises(InputError, match="got none"):
        evaluate(student, Cases(np.array([]), cases.classes, np.array([], dtype=int), ()))
    with pytest.raises(InputError, match="predicts ill, well"):
        evaluate(Student(student.answers, ("ill", "well")), cases)
    with pytest.raises(InputError, match="expected 2 classes"):
        evaluate(student, cases, labels=Soft(cases.ids, np.ones((40, 1))))
    short = Student(student.answers)
    short.predict_proba = lambda images: np.full((3, 2), 0.5)  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"got shape \(3, 2\)"):
        evaluate(short, cases)


def test_the_threshold_is_the_one_asked_for_and_else_a_half(setting) -> None:
    student, cases, probs = setting
    labelled = cases.labels >= 0
    ill, called = cases.labels[labelled] == 1, probs[labelled, 1]
    plain = evaluate(student, cases, n_boot=0)
    assert plain.sensitivity == pytest.approx((called >= 0.5)[ill].mean())
    asked = evaluate(student, cases, operating_point="threshold=0.3", n_boot=0)
    assert asked.sensitivity == pytest.approx((called >= 0.3)[ill].mean())
    shifted = evaluate(student, cases, prevalence={"well": 0.9, "ill": 0.1}, n_boot=0)
    odds = called / (1 - called) / (ill.mean() / (1 - ill.mean())) * 0.1 / 0.9
    assert shifted.sensitivity == pytest.approx((odds >= 1)[ill].mean())
    assert shifted.settings["operating_point"]["prevalence"] == 0.1


def test_a_sensitivity_is_promised_on_the_validation_cases(setting) -> None:
    """The threshold is that of the rule on their scores, whatever the test cases say; the class can be named."""
    student, cases, probs = setting
    found = evaluate(
        student,
        cases,
        operating_point="sensitivity=0.8",
        positive="well",
        validation=cases,
        n_boot=0,
    )
    rule = ThresholdRule.read("sensitivity=0.8").choose(0, probs, cases.labels)
    assert found.settings["operating_point"]["threshold"] == rule.threshold
    assert found.settings["operating_point"]["positive"] == "well"


def test_validation_images_are_read_only_where_the_rule_needs_them(setting) -> None:
    student, cases, _ = setting
    evaluate(student, cases, operating_point="threshold=0.3", validation=cases, n_boot=0)
    assert len(student.seen) == 40
    evaluate(student, cases, operating_point="sensitivity=0.8", validation=cases, n_boot=0)
    assert len(student.seen) == 3 * 40


def test_soft_labels_have_two_axes(setting) -> None:
    student, cases, _ = setting
    with pytest.raises(InputError, match="got probabilities of shape"):
        evaluate(student, cases, labels=Soft(cases.ids, np.ones(40)), n_boot=0)
