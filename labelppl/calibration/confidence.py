"""Which cases the student answers: a confidence, and the value from which an answer is given.

    largest      max_k p_k
    normalised   max_k z̃_k / ‖z̃‖_p,   z̃ = log p − mean log p

Label smoothing lowers the largest probability where the student is right more than where it is wrong, so
that it no longer ranks cases by their risk; dividing by the norm of the logits mends that. The exponent p
is chosen on validation cases, and the largest probability is kept unless the other ranks them better. With
two classes z̃ = (−a, a) and the normalised score is the constant 2^(−1/p): there it is refused.
Source: Cattelan & Silva 2024 (logit normalisation); Xia et al. 2024 (label smoothing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import FLOOR, checked_probs
from .base import soft_target
from .risk_coverage import aurc, coverage_at_risk

EXPONENTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""The grid of p of the source, which stops mattering beyond."""

ConfidenceName = Literal["largest", "normalised"]


@dataclass(frozen=True)
class Confidence:
    """Answers in force: a case is answered where its confidence is at least `threshold`.

    Args:
        kind: `largest` or `normalised`.
        exponent: p of the normalised score.
        threshold: The least confidence of an answer.
        risk: The share of errors that was asked for.
        coverage: The share of validation cases that are answered at it.

    Examples:
        >>> Confidence("largest", 0.0, 0.8, 0.05, 0.6).answers([[0.9, 0.1], [0.7, 0.3]]).tolist()
        [True, False]
    """

    kind: ConfidenceName
    exponent: float
    threshold: float
    risk: float
    coverage: float

    def of(self, probs: ArrayLike) -> Floats:
        """Return the confidence (cases,) of `probs` (cases, classes)."""
        p = checked_probs(probs)
        return p.max(axis=1) if self.kind == "largest" else scaled_largest(p, self.exponent)

    def answers(self, probs: ArrayLike) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which cases (cases,) are answered."""
        return np.asarray(self.of(probs) >= self.threshold)

    def record(self) -> dict[str, Any]:
        """Return its numbers, for `calibration.json`."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Confidence:
        """Read what `record` wrote. Raises InputError for anything else."""
        try:
            numbers = [
                float(record[name]) for name in ("exponent", "threshold", "risk", "coverage")
            ]
            kind = record["kind"]
        except (KeyError, TypeError, ValueError):
            kind, numbers = None, []
        if kind not in ("largest", "normalised"):
            raise InputError(
                "calibration.json: no valid confidence; run labelppl recalibrate again"
            )
        return cls(kind, *numbers)


def scaled_largest(probs: Floats, exponent: float) -> Floats:
    """Return max_k z̃_k / ‖z̃‖_p (cases,). Raises InputError for two classes."""
    if probs.shape[1] == 2:
        raise InputError(
            "confidence normalised: with two classes it is the same number for every case; use the "
            "largest probability"
        )
    logs = np.log(np.maximum(probs, FLOOR))
    centred = logs - logs.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, ord=exponent, axis=1)
    return np.asarray(np.divide(centred.max(axis=1), norm, out=np.zeros(len(norm)), where=norm > 0))


def choose_confidence(
    probs: ArrayLike, reference: ArrayLike, *, risk: float, kind: ConfidenceName | None = None
) -> Confidence:
    """Choose score and threshold on validation cases, at a share of errors of at most `risk`.

    Args:
        probs: Probabilities (cases, classes).
        reference: Hard labels (cases,), or soft labels (cases, classes), whose error is 1 − p of the predicted class.
        risk: The share of errors among answers, above 0 and below 1.
        kind: The score; None: whichever ranks better by the area under risk against coverage, the largest probability in a
            tie.

    Returns:
        The confidence in force.

    Raises:
        InputError: For a risk outside (0, 1), or `normalised` with two classes.

    Examples:
        >>> probs = [[0.95, 0.05], [0.9, 0.1], [0.6, 0.4], [0.55, 0.45]]
        >>> chosen = choose_confidence(probs, [0, 0, 1, 0], risk=0.1)
        >>> chosen.coverage, chosen.threshold
        (0.5, 0.9)
    """
    p, target = soft_target(probs, reference)
    errors = 1 - np.take_along_axis(target, p.argmax(axis=1)[:, None], axis=1)[:, 0]
    options: list[tuple[float, ConfidenceName, float]] = []
    if kind in (None, "largest"):
        options.append((aurc(p.max(axis=1), errors), "largest", 0.0))
    if kind == "normalised" or (kind is None and p.shape[1] > 2):
        options += [(aurc(scaled_largest(p, e), errors), "normalised", e) for e in EXPONENTS]
    _, best, exponent = min(options, key=lambda option: option[0])
    score = p.max(axis=1) if best == "largest" else scaled_largest(p, exponent)
    coverage, threshold = coverage_at_risk(score, errors, risk)
    # JSON has no infinity; no confidence reaches 2.
    return Confidence(best, exponent, min(threshold, 2.0), risk, coverage)
