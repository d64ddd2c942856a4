"""scikit-learn's own checks, and what they do not cover: images, soft labels, both steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from labelppl.distillation.estimator import StudentClassifier
from labelppl.errors import InputError
from labelppl.training.schedule import Schedule

QUICK = Schedule(epochs=6, batch_size=16, lr=1e-3)


@parametrize_with_checks(
    [StudentClassifier("logistic", schedule=Schedule(epochs=40, batch_size=32, lr=0.1))]
)
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def _images(n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    z = rng.normal(size=n)
    p = 1 / (1 + np.exp(-4 * z))
    pixels = rng.normal(128, 10, (n, 32, 32))
    pixels[:, :, :16] += 25 * z[:, None, None]
    y = np.where(rng.random(n) < p, "sick", "healthy")
    return np.clip(pixels, 0, 255).astype(np.uint8), y, np.stack([1 - p, p], 1)


def test_images_and_class_names() -> None:
    x, y, _ = _images()
    model = StudentClassifier(schedule=QUICK).fit(x, y)
    assert list(model.classes_) == ["healthy", "sick"]
    assert (model.predict(x) == y).mean() > 0.8
    assert model.student_.spec.depth == "uint8"
    again = clone(model).fit(x[:, None], y)
    np.testing.assert_array_equal(again.predict_proba(x[:, None]), model.predict_proba(x))


def test_soft_labels_alone_and_both_steps() -> None:
    x, y, p = _images()
    soft = StudentClassifier(schedule=QUICK).fit(x, p)
    assert list(soft.classes_) == [0, 1]
    assert {e.step for e in soft.history_} == {"train"}
    stay = StudentClassifier(schedule=QUICK, lam=math.inf).fit(x, y, soft_labels=p)
    np.testing.assert_array_equal(soft.predict_proba(x), stay.predict_proba(x))
    assert stay.student_.predict(x).spread is None
    free = StudentClassifier(schedule=QUICK, lam=1.0).fit(x, y, soft_labels=p)
    assert free.student_.predict(x).spread is not None
    moved = [
        np.abs(
            StudentClassifier(schedule=QUICK, lam=lam).fit(x, y, soft_labels=p).predict_proba(x)
            - soft.predict_proba(x)
        ).mean()
        for lam in (0.0, 1e6)
    ]
    assert moved[0] > 10 * moved[1] > 0


def test_what_does_not_fit_is_refused() -> None:
    x, y, p = _images()
    with pytest.raises(InputError, match="soft_labels: got shape"):
        StudentClassifier(schedule=QUICK).fit(x, y, soft_labels=p[:, :1])
    with pytest.raises(InputError, match="student='logistic'"):
        StudentClassifier(schedule=QUICK).fit(x.reshape(40, -1), y)
    with pytest.raises(InputError, match="sum to 1"):
        StudentClassifier(schedule=QUICK).fit(x, 2 * p)
