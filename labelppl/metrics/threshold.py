"""Choosing the probability from which a case is called positive, on validation cases only.

    costs FP:FN        t = C_FP / (C_FP + C_FN)        on calibrated p where it is used
    sensitivity s      t = the j-th smallest validation score of a positive case,
                       j = ⌊(P + 1)(1 − s)⌋, P positive cases
    threshold t        as stated

With j-th smallest, a new positive case is called with probability at least s on average over
validation samples (exchangeable cases); j = 0 means that there are too few positive cases to promise s,
and every case is called. Costs belong to the prevalence where the student is used: t is carried to the
study's prevalence by the same shift of the logit that carries the probabilities.
Source: Elkan 2001 (costs); Vovk, Gammerman & Shafer 2005 (the rank).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, logit

from ..arrays import Floats, Ints
from ..errors import InputError

RULES = ("sensitivity", "costs", "threshold")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold in force: a case is called `positive` where its probability is at least `threshold`.

    Attributes:
        positive: The number of the positive class.
        threshold: On the study's scale, that of the evaluated probabilities.
        rule: How it was chosen.
        prevalence: The share of the positive class where the student is used, None = as in these cases.
        promised: False where too few validation cases stand behind a sensitivity.

    Examples:
        >>> point: OperatingPoint = ThresholdRule.read("threshold=0.3").choose(positive=1)
        >>> point.threshold, point.rule
        (0.3, 'threshold=0.3')
    """

    positive: int
    threshold: float
    rule: str
    prevalence: float | None = None
    promised: bool = True


@dataclass(frozen=True)
class ThresholdRule:
    """How a threshold is chosen: by a sensitivity, by the costs of the two errors, or outright.

    Attributes:
        kind: `sensitivity`, `costs` or `threshold`.
        number: The sensitivity, C_FP / C_FN, or the threshold.
        text: What it was read from.

    Examples:
        >>> ThresholdRule.read("costs=1:10").number
        0.1
    """

    kind: Literal["sensitivity", "costs", "threshold"]
    number: float
    text: str

    @classmethod
    def read(cls, text: str) -> ThresholdRule:
        """Read `sensitivity=0.9`, `costs=1:10` (a false alarm : a miss) or `threshold=0.3`.

        Raises InputError for anything else.
        """
        kind, _, value = text.partition("=")
        try:
            if kind == "costs":
                alarm, miss = (float(part) for part in value.split(":"))
                if alarm > 0 and miss > 0 and math.isfinite(alarm / miss):
                    return cls("costs", alarm / miss, text)
            elif kind in ("sensitivity", "threshold") and 0 < float(value) < 1:
                return cls(kind, float(value), text)  # type: ignore[arg-type]
        except ValueError:
            pass
        raise InputError(
            f"operating point: got {text!r}, expected sensitivity=0.9, costs=1:10 (a false alarm : "
            "a miss) or threshold=0.3, with numbers between 0 and 1, costs above 0"
        )

    def __str__(self) -> str:
        """Return the text that `read` reads."""
        return self.text

    def choose(
        self,
        positive: int,
        probs: Floats | None = None,
        labels: Ints | None = None,
        *,
        prevalence: float | None = None,
        study: float | None = None,
    ) -> OperatingPoint:
        """Return the operating point of class number `positive`.

        `probs` (cases, classes) and `labels` (cases,) are of validation cases, which only a
        sensitivity needs. `prevalence` and `study` are the class's share where the student is used
        and where it was trained. Raises InputError where validation cases are needed and none is
        positive.
        """
        if self.kind == "sensitivity":
            scores = np.empty(0)
            if probs is not None and labels is not None:
                scores = np.sort(probs[labels == positive, positive])
            if len(scores) == 0:
                raise InputError(
                    f"operating point {self}: no validation case is positive, expected some; mark "
                    "rows as val in the column split, or state threshold=T"
                )
            rank = sensitivity_rank(len(scores), self.number)
            threshold = float(scores[rank - 1]) if rank else 0.0
            return OperatingPoint(positive, threshold, str(self), prevalence, rank > 0)
        threshold = self.number / (1 + self.number) if self.kind == "costs" else self.number
        if prevalence is not None and study is not None:
            threshold = float(expit(logit(threshold) - logit(prevalence) + logit(study)))
        return OperatingPoint(positive, threshold, str(self), prevalence)


def sensitivity_rank(positives: int, sensitivity: float) -> int:
    """Return j: the threshold is the j-th smallest score of `positives` cases; 0 = none will do."""
    # Rounded first: 10 (1 − .9) is .99999… in floating point.
    return math.floor(round((positives + 1) * (1 - sensitivity), 9))
