"""A student as a scikit-learn classifier: `fit(X, y)`, `predict_proba(X)`, clone, pickle, pipelines.

`fit(X, y)` trains on hard labels, `fit(X, P)` on soft labels (cases, classes), and
`fit(X, y, soft_labels=P)` does both steps: theta_p from P, then MAP on y with lambda = `lam`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..arrays import Array
from ..errors import InputError
from ..images.read import Images, from_array
from ..runs import versions
from ..students.logits import outputs_for
from ..students.network import build_network
from ..students.options import AugmentLike, StudentLike, StudentOptions
from ..students.spec import Spec
from ..students.student import Student, normalise
from ..targets import make_target
from ..targets.base import Target
from ..targets.target_data import TargetData
from ..training.optimiser import freeze
from ..training.schedule import Schedule, default_schedule
from ..training.source import Resident
from ..training.train import train
from ..training.weight_prior import WeightPrior
from .fisher import fisher_weights
from .last_layer import last_layer_posterior
from .map_step import map_step
from .prior_options import PriorOptions

FEATURES = 2  #: axes of X where cases have features and no image
TINY = np.finfo(np.float64).tiny
LOGISTIC = Schedule(epochs=200, batch_size=64, lr=0.05)


class StudentClassifier(ClassifierMixin, BaseEstimator):
    """X: images (cases, height, width) or (cases, channels, height, width), uint8, uint16 or float.

    Args:
        student: As in `distill`: a name, a module, a factory or `StudentOptions`. With `logistic`, X may be (cases,
            features).
        target: What step 1 learns, as in `distill`; None: the soft labels where there are some, else the hard ones.
        augment: A preset or a function; None as the student's options say.
        schedule: None is a default for the number of cases.
        lam: lambda of step 2, for soft labels beside y; inf keeps theta_p.
        prior: The other options of the weight prior, as in `distill`.
        random_state: The seed.
        device: As in `distill`.

    After fit: student_ (a `Student`, which saves, loads and, where a weight prior was used, predicts
    with its weights' uncertainty), classes_, history_, and optimum_ where there was a step 2.
    """

    def __init__(
        self,
        student: StudentLike | StudentOptions = "cnn",
        *,
        target: Target | Callable[..., Target] | str | None = None,
        augment: AugmentLike | None = None,
        schedule: Schedule | None = None,
        lam: float = 1.0,
        prior: PriorOptions | None = None,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.student = student
        self.target = target
        self.augment = augment
        self.schedule = schedule
        self.lam = lam
        self.prior = prior
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, soft_labels: Any = None) -> StudentClassifier:
        """Train.

        Args:
            X: Images or, for `logistic`, features.
            y: Class names (cases,), or probabilities (cases, classes).
            soft_labels: Probabilities (cases, classes) beside hard y, columns in the order of the sorted classes.

        Raises:
            InputError: A ValueError; they do not fit.
        """
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True)
        options = self._options(X.ndim)
        hard, soft = self._labels(y, soft_labels)
        images = from_array(_pixels(X, options.student))
        hard_alone = soft_labels is None and (hard >= 0).all()
        goal = make_target(self.target or ("hard" if hard_alone else "prob"))
        spec = self._spec(images, options, goal, soft)
        network = build_network(
            options.student, spec.shape, seed=self.random_state, weights=options.weights
        )
        freeze(network, options.frozen)
        source = Resident(torch.from_numpy(images.pixels), lambda x: normalise(x, spec))
        evidence = TargetData(
            hard=torch.from_numpy(hard),
            soft=torch.from_numpy(soft),
            mean_log=torch.from_numpy(np.log(np.clip(soft, TINY, None))),
        )
        linear = isinstance(options.student, str) and options.student == "logistic"
        schedule = self.schedule or (LOGISTIC if linear else default_schedule(len(images)))
        training: dict[str, Any] = {
            "seed": self.random_state,
            "augment": options.augmentation,
            "rates": options.rates,
            "device": self.device,
        }
        done = train(network, source, evidence, goal, schedule, **training)
        self.history_ = done.history
        settings = self.prior or PriorOptions()
        prior = WeightPrior.around(
            network, self.lam, layers=settings.layers, exclude=settings.free,
            fisher=fisher_weights(network, source, evidence.hard) if settings.fisher else None,
        )  # fmt: skip
        posterior = None
        if soft_labels is not None and not math.isinf(self.lam):
            done, self.optimum_ = map_step(
                network, source, evidence, schedule.for_map(), prior, settings, linear=linear, **training
            )  # fmt: skip
            self.history_ += done.history
            posterior = last_layer_posterior(
                network, spec.head, source, evidence.hard, prior
            ).posterior
        self.student_ = Student(network.cpu().eval(), spec, posterior)
        return self

    def _options(self, axes: int) -> StudentOptions:
        """The student's options; features have no neighbours, so that nothing moves them."""
        student = self.student
        options = student if isinstance(student, StudentOptions) else StudentOptions(student)
        augment = "none" if axes == FEATURES and self.augment is None else self.augment
        return options if augment is None else replace(options, augment=augment)

    def _spec(self, images: Images, options: StudentOptions, goal: Target, soft: Array) -> Spec:
        scaled = images.pixels.astype(np.float64) / images.full_scale
        std = scaled.std((0, 2, 3))
        mean = tuple(map(float, scaled.mean((0, 2, 3))))
        return Spec(
            architecture=options.name,
            classes=tuple(str(c) for c in self.classes_),
            channels=images.pixels.shape[1],
            height=images.pixels.shape[2],
            width=images.pixels.shape[3],
            outputs=outputs_for(len(self.classes_), goal.needs_full_head),
            mean=options.mean or mean,
            std=options.std or tuple(map(float, np.where(std > 0, std, 1))),
            depth=images.depth,
            head=goal.head,
            seed=self.random_state,
            study_prevalence=tuple(map(float, soft.mean(0))),
            versions=versions(),
        )

    def predict_proba(self, X: Any) -> Array:
        """p(Y|X), (cases, classes) float64, columns as `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        return self.student_.predict_proba(from_array(_pixels(X, self._options(X.ndim).student)))

    def predict(self, X: Any) -> Array:
        """The most probable class (cases,)."""
        probs = self.predict_proba(X)
        names: Array = self.classes_[probs.argmax(1)]
        return names

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


def _pixels(X: Array, student: object) -> Array:
    """(cases, features) as one row of pixels per case; types other than image types as float32."""
    if X.ndim == FEATURES:
        if student != "logistic":
            raise InputError(
                f"X: got shape {X.shape}, expected images (cases, height, width) or (cases, "
                "channels, height, width); features without an image are for student='logistic'"
            )
        X = X[:, None, None, :]
    return X if X.dtype in (np.uint8, np.uint16) else X.astype(np.float32)
