"""Venn–Abers prediction: two isotonic fits that bracket the probability, two classes.

    p0 = isotonic fit of the calibration cases plus the test case labelled 0, read at the test case
    p1 = the same with the test case labelled 1
    p  = p1 / (1 − p0 + p1)

[p0, p1] is a multiprobability: one of the two is perfectly calibrated whatever the distribution, as long
as calibration and test cases are exchangeable; its width says how little the calibration cases pin down.
That holds for labels, given or drawn from p(Y|Z): draws are used through labellings drawn from them, and
their brackets averaged. An isotonic fit is not linear in its targets, so with soft labels themselves the
guarantee is lost and the bracket is a heuristic. Source: Vovk & Petej 2014; inductive form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs
from ..seeds import stream
from .base import Recalibration
from .pav import isotonic
from .two_classes import both, positive, positive_target

LABELLINGS = 20
"""Labellings drawn from draws of p(Y|Z)."""


@dataclass(frozen=True, eq=False)
class VennAbers(Recalibration):
    """The calibration cases, to which each new case is added with either label.

    Args:
        forecast: (calibration cases,) p of the second class.
        label: (labellings, calibration cases) 0 to 1.

    Examples:
        >>> p = [[0.8, 0.2], [0.7, 0.3], [0.3, 0.7], [0.2, 0.8]]
        >>> low, high = VennAbers().fit(p, [0, 1, 0, 1]).interval([[0.5, 0.5]])
        >>> bool(low[0] < 0.5 < high[0])
        True
    """

    forecast: Floats = field(default_factory=lambda: np.array([0.5]))
    label: Floats = field(default_factory=lambda: np.array([[0.5]]))
    name: ClassVar[str] = "venn-abers"
    two_classes: ClassVar[bool] = True

    def fit(self, probs: ArrayLike, reference: ArrayLike) -> VennAbers:
        """Keep the calibration cases with their labels."""
        if np.ndim(reference) == 3:
            draws = np.asarray(reference, dtype=np.float64)
            p = positive(probs)
            if draws.shape[1:] != (len(p), 2):
                raise InputError(
                    f"reference: got shape {draws.shape}, expected (draws, {len(p)}, 2)"
                )
            rng = stream(0, "venn-abers").numpy()
            some = draws[np.arange(LABELLINGS) % len(draws)]
            for draw in some:
                checked_probs(draw, "reference")
            return VennAbers(p, (rng.random(some.shape[:2]) < some[:, :, 1]).astype(np.float64))
        p, target = positive_target(probs, reference)
        return VennAbers(p, target[None, :])

    def interval(self, probs: ArrayLike) -> tuple[Floats, Floats]:
        """Return p0 and p1 (cases,) for `probs` (cases, 2); InputError for an invalid row."""
        scores, inverse = np.unique(positive(probs), return_inverse=True)
        brackets = np.array([[self._read(score, label) for label in (0, 1)] for score in scores])
        return brackets[inverse, 0], brackets[inverse, 1]

    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, 2) recalibrated."""
        p0, p1 = self.interval(probs)
        return both(p1 / (1 - p0 + p1))

    def _read(self, score: float, label: int) -> float:
        forecast = np.append(self.forecast, score)
        return float(np.mean([isotonic(forecast, np.append(y, label))[-1] for y in self.label]))
