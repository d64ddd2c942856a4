"""`Scored`: the predictions a metric looks at, with everything they can be compared with.

A metric never sees a case that it cannot use: `Scored.part` keeps the cases that have what the metric
needs, and what several metrics share (the one-hot labels, the null band) is computed once per part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from ..probabilities import FLOOR
from .pairs import ForecastPairs, default_quantity, select
from .threshold import OperatingPoint

Need = Literal[
    "labels",
    "soft",
    "draws",
    "truth",
    "two classes",
    "more classes",
    "operating point",
]
"""What a metric may need: hard labels, soft labels, draws of p(Y|Z), the true p(Y|X) of a phantom, a
number of classes, an operating point."""

Member = NDArray[np.bool_]
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What numbers depend on beside the cases.

    `bins` of the binned calibration error and of Hosmer–Lemeshow; `eps`, the floor of a prediction in
    KL; `top`, the k of top-k accuracy; `point`, the operating point; `seed` of every random number.
    """

    bins: int = 10
    eps: float = FLOOR
    top: int | None = None
    point: OperatingPoint | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions and what they are compared with.

    Attributes:
        probs: (cases, classes) predictions.
        labels: (cases,) class numbers, -1 = unlabelled.
        groups: (cases,) numbers of the groups, such as patients, from 0.
        classes: Names of the classes.
        soft: (cases, classes) soft labels, NaN rows where a case has none, or None.
        truth: (cases, classes) true p(Y|X), NaN rows where a case has none, or None.
        draws: (draws, cases, classes) of p(Y|Z), or None.
        settings: What the numbers depend on beside the cases.

    Examples:
        >>> probs = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
        >>> scored = Scored(probs, np.array([0, 1, -1]), np.array([0, 0, 1]), ("no", "yes"))
        >>> scored.member(["labels"]).tolist(), scored.group_count()
        ([True, True, False], 2)
    """

    probs: Floats
    labels: Ints
    groups: Ints
    classes: tuple[str, ...]
    soft: Floats | None = None
    truth: Floats | None = None
    draws: Floats | None = None
    settings: Settings = field(default_factory=Settings)
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.probs)

    def member(self, needs: Collection[Need]) -> Member:
        """Return which cases (cases,) have all of `needs`; none where the classes do not fit."""
        some = np.ones(len(self), dtype=bool)
        present: Mapping[Need, Any] = {
            "labels": self.labels >= 0,
            "soft": _filled(self.soft, len(self)),
            "draws": _filled(None if self.draws is None else self.draws[0], len(self)),
            "truth": _filled(self.truth, len(self)),
            "two classes": len(self.classes) == 2,
            "more classes": len(self.classes) > 2,
            "operating point": self.settings.point is not None,
        }
        for need in needs:
            some &= present[need]
        return some

    def take(self, rows: NDArray[Any]) -> Scored:
        """Return some cases: a mask (cases,) or row numbers, which may repeat."""
        return replace(
            self,
            probs=self.probs[rows],
            labels=self.labels[rows],
            groups=self.groups[rows],
            soft=None if self.soft is None else self.soft[rows],
            truth=None if self.truth is None else self.truth[rows],
            draws=None if self.draws is None else self.draws[:, rows],
        )

    @cached_property
    def target(self) -> Floats:
        """The labels one-hot (cases, classes); every case must be labelled."""
        return np.eye(len(self.classes))[self.labels]

    @cached_property
    def pairs(self) -> ForecastPairs:
        """What calibration compares: forecasts and outcomes (cases, columns)."""
        return select(self.probs, self.target, default_quantity(len(self.classes)))

    def once(self, compute: Callable[[Scored], T]) -> T:
        """Return `compute(self)`, computed at most once for these cases."""
        if compute not in self._known:
            self._known[compute] = compute(self)
        return self._known[compute]

    def require(self, name: Literal["soft", "truth", "draws"]) -> Floats:
        """Return an array that the metric's `needs` promise to be there."""
        values = {"soft": self.soft, "truth": self.truth, "draws": self.draws}[name]
        assert values is not None
        return values

    @property
    def independent(self) -> bool:
        """Whether every case is a group of its own."""
        return len(np.unique(self.groups)) == len(self)

    def group_count(self, member: Member | None = None) -> int:
        """Return the number of groups, of all cases or of `member` (cases,)."""
        return len(np.unique(self.groups if member is None else self.groups[member]))


def _filled(values: Floats | None, cases: int) -> Member:
    """Return which rows (cases,) hold numbers."""
    if values is None:
        return np.zeros(cases, dtype=bool)
    return np.asarray(~np.isnan(values).all(axis=1))
