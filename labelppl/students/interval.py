"""The 90 % interval of p(Y|X): how far the student's log-odds lay from soft labels that it had not learnt.

With l_k(p) = log p_k / (1 - p_k), the ends of class k are the probabilities whose log-odds are

    l_k(p(Y|x)) + below_k    and    l_k(p(Y|x)) + above_k,

the same distances for every image. `labelppl.distillation.interval` measures them on held-out cases; two classes have
below_0 = -above_1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from scipy.special import expit

from ..arrays import Array


class StudentEnds(NamedTuple):
    """low, high: (cases, classes), the ends of an interval of p(Y|X)."""

    low: Array
    high: Array


@dataclass(frozen=True)
class LogitInterval:
    """below, above: per class, what is added to the log-odds. cases: how many held-out cases told.

    source: `cross-validation` or `validation`, where they were held out.
    """

    below: tuple[float, ...]
    above: tuple[float, ...]
    cases: int
    source: str

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> LogitInterval:
        """From what JSON holds."""
        below, above = (tuple(map(float, record[name])) for name in ("below", "above"))
        return cls(below, above, int(record["cases"]), str(record["source"]))

    def ends(self, log_odds: Array) -> StudentEnds:
        """The interval around log-odds (cases, classes)."""
        return StudentEnds(expit(log_odds + self.below), expit(log_odds + self.above))
