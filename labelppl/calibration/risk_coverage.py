"""Risk against coverage: how wrong the student is on the cases it is most sure of.

    risk(k) = errors among the k most confident cases / k
    AURC    = (1/n) Σ_k risk(k)          E-AURC = AURC − the AURC of a perfect order

Cases of equal confidence stand in any order; the average over their orders is taken:
with C cases and E errors before a run of m cases with e errors, Σ_{j=1..m} (E + j e/m)/(C + j)
= e + (E − C e/m)(ψ(C + m + 1) − ψ(C + 1)). Confidence is the largest probability.
Source: Geifman, Uziel & El-Yaniv 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from ..arrays import Floats
from ..errors import InputError


def aurc(confidence: ArrayLike, errors: ArrayLike) -> float:
    """Return the area under the risk–coverage curve; both arguments are (cases,), errors in [0, 1]."""
    c, e = _pair(confidence, errors)
    return float(aurc_replicates(c, e, np.ones((1, len(c))))[0])


def excess_aurc(confidence: ArrayLike, errors: ArrayLike) -> float:
    """Return AURC less that of the order that puts every error last."""
    _, e = _pair(confidence, errors)
    return aurc(confidence, errors) - aurc(-e, e)


def aurc_replicates(confidence: Floats, errors: Floats, weights: Floats) -> Floats:
    """Return AURC (replicates,) of the cases counted by `weights` (replicates, cases)."""
    order = np.argsort(-confidence, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(confidence[order]) < 0])
    w = weights[:, order]
    count = np.add.reduceat(w, starts, axis=1)
    wrong = np.add.reduceat(w * errors[order], starts, axis=1)
    before = np.cumsum(count, axis=1) - count
    wrong_before = np.cumsum(wrong, axis=1) - wrong
    rate = np.divide(wrong, count, out=np.zeros_like(wrong), where=count > 0)
    harmonic = digamma(before + count + 1) - digamma(before + 1)
    total = wrong + (wrong_before - before * rate) * harmonic
    return np.asarray(total.sum(axis=1) / w.sum(axis=1))


def coverage_at_risk(confidence: ArrayLike, errors: ArrayLike, risk: float) -> tuple[float, float]:
    """Return the largest share of cases to answer with a risk of at most `risk`, and the confidence from which they are answered.

    The curve is not monotone, so the largest coverage counts. Choose on validation cases. (0, inf)
    where no share will do. Raises InputError for a risk outside (0, 1).
    """
    c, e = _pair(confidence, errors)
    if not 0 < risk < 1:
        raise InputError(f"risk: got {risk:g}, expected a number between 0 and 1, such as 0.05")
    order = np.argsort(-c, kind="stable")
    number = np.arange(1, len(c) + 1)
    curve = np.cumsum(e[order]) / number
    # Only whole runs of equal confidence can be answered by a threshold.
    whole = np.r_[np.diff(c[order]) < 0, True]
    fine = np.flatnonzero((curve <= risk + 1e-12) & whole)
    if len(fine) == 0:
        return 0.0, float("inf")
    last = fine[-1]
    return float(number[last] / len(c)), float(c[order][last])


def _pair(confidence: ArrayLike, errors: ArrayLike) -> tuple[Floats, Floats]:
    c, e = np.asarray(confidence, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if c.ndim != 1 or c.shape != e.shape or len(c) == 0:
        raise InputError(f"errors: got shape {e.shape}, expected {c.shape}, one per confidence")
    return c, e
