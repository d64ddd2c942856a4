"""A student as a scikit-learn classifier: `fit(X, y)`, `predict_proba(X)`, clone, pickle, pipelines.

`fit(X, y)` trains on hard labels, `fit(X, P)` on soft labels (cases, classes), and
`fit(X, y, soft_labels=P)` does both steps: theta_p from P, then MAP on y with lambda = `lam`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..arrays import Array
from ..errors import InputError
from ..images.augment import augmentation
from ..images.read import from_array
from ..runs import versions
from ..students.logits import outputs_for
from ..students.network import build_network
from ..students.spec import Spec
from ..students.student import Student, normalise
from ..targets.base import Target, TargetData
from ..targets.hard import Hard
from ..targets.prob import Prob
from ..training.schedule import Schedule, default_schedule
from ..training.source import Resident
from ..training.train import train
from ..training.weight_prior import WeightPrior
from .last_layer import last_layer_posterior

LOGISTIC = Schedule(epochs=200, batch_size=64, lr=0.05)


class StudentClassifier(ClassifierMixin, BaseEstimator):
    """X: images (cases, height, width) or (cases, channels, height, width), uint8, uint16 or float.

    With the student `logistic`, X may be (cases, features). student: `cnn`, `logistic` or
    `timm:NAME`. schedule: None = a default for the number of cases. lam: lambda of step 2, used
    where soft labels are given beside y; inf keeps theta_p. augment: a preset of
    `labelppl.images.augment`. random_state: the seed.

    After fit: student_ (a `Student`, which saves, loads and, where a weight prior was used, predicts
    with its weights' uncertainty), classes_, history_.
    """

    def __init__(
        self,
        student: str = "cnn",
        *,
        schedule: Schedule | None = None,
        lam: float = 1.0,
        augment: str = "shift",
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.student = student
        self.schedule = schedule
        self.lam = lam
        self.augment = augment
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, soft_labels: Any = None) -> StudentClassifier:
        """Train. y: class names (cases,), or probabilities (cases, classes).

        soft_labels: probabilities (cases, classes) beside hard y, columns in the order of the
        sorted classes. Raises InputError, a ValueError, where they do not fit.
        """
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True)
        hard, soft = self._labels(y, soft_labels)
        images = from_array(_pixels(X, self.student))
        scaled = images.pixels.astype(np.float64) / images.full_scale
        std = scaled.std((0, 2, 3))
        spec = Spec(
            architecture=self.student,
            classes=tuple(str(c) for c in self.classes_),
            channels=images.pixels.shape[1],
            height=images.pixels.shape[2],
            width=images.pixels.shape[3],
            outputs=outputs_for(len(self.classes_)),
            mean=tuple(map(float, scaled.mean((0, 2, 3)))),
            std=tuple(map(float, np.where(std > 0, std, 1))),
            depth=images.depth,
            seed=self.random_state,
            study_prevalence=tuple(map(float, soft.mean(0))),
            versions=versions(),
        )
        network = build_network(self.student, spec.shape, seed=self.random_state)
        source = Resident(torch.from_numpy(images.pixels), lambda x: normalise(x, spec))
        evidence = TargetData(hard=torch.from_numpy(hard), soft=torch.from_numpy(soft))
        schedule = self.schedule or (
            LOGISTIC if self.student == "logistic" else default_schedule(len(images))
        )
        options: dict[str, Any] = {
            "seed": self.random_state,
            "augment": augmentation(self.augment),
            "device": self.device,
        }
        first: Target = Hard() if soft_labels is None and (hard >= 0).all() else Prob()
        done = train(network, source, evidence, first, schedule, **options)
        self.history_ = done.history
        prior = WeightPrior.around(network, self.lam)
        posterior = None
        if soft_labels is not None and not math.isinf(self.lam):
            done = train(network, source, evidence, Hard(), schedule, prior=prior, **options)
            self.history_ += done.history
            posterior = last_layer_posterior(
                network, spec.head, source, evidence.hard, prior
            ).posterior
        self.student_ = Student(network.cpu().eval(), spec, posterior)
        return self

    def predict_proba(self, X: Any) -> Array:
        """p(Y|X), (cases, classes) float64, columns as `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        return self.student_.predict_proba(from_array(_pixels(X, self.student)))

    def predict(self, X: Any) -> Array:
        """The most probable class (cases,)."""
        probs = self.predict_proba(X)
        found: Array = self.classes_[probs.argmax(1)]
        return found

    def _labels(self, y: Array, soft_labels: Any) -> tuple[Array, Array]:
        """Hard labels (cases,) int64, -1 where there are none, and soft labels; sets classes_."""
        if y.ndim == 2 and y.shape[1] > 1 and soft_labels is None:
            self.classes_ = np.arange(y.shape[1])
            return np.full(len(y), -1, np.int64), np.asarray(y, np.float64)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y: got one class, {self.classes_[0]!r}, expected at least two")
        hard = codes.astype(np.int64)
        if soft_labels is None:
            return hard, np.eye(len(self.classes_))[hard]
        soft = np.asarray(soft_labels, np.float64)
        if soft.shape != (len(y), len(self.classes_)):
            raise InputError(
                f"soft_labels: got shape {soft.shape}, expected {(len(y), len(self.classes_))}"
            )
        return hard, soft

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _pixels(X: Array, student: str) -> Array:
    """(cases, features) as one row of pixels per case; types other than image types as float32."""
    if X.ndim == 2:
        if student != "logistic":
            raise InputError(
                f"X: got shape {X.shape}, expected images (cases, height, width) or (cases, "
                "channels, height, width); features without an image are for student='logistic'"
            )
        X = X[:, None, None, :]
    return X if X.dtype in (np.uint8, np.uint16) else X.astype(np.float32)
