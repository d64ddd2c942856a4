"""Net benefit of acting on a prediction: decision curve analysis, two classes.

    NB(t)        = TP/n − FP/n · t/(1 − t)      act where p ≥ t
    treat all    = π − (1 − π) t/(1 − t)
    treat none   = 0

t is the probability at which one would just act; t/(1 − t) is how many false alarms one true find
is worth. In a case-control sample TP/n is not what a clinic sees: give the deployment `prevalence`
π, and NB = π·TPR − (1 − π)·FPR·t/(1 − t). Source: Vickers & Elkin 2006.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Floats
from ..calibration.two_classes import positive
from ..errors import InputError
from ..probabilities import hard_pair
from .bootstrap import each_once


class NetBenefit(NamedTuple):
    """Thresholds and net benefit per case of the model and of treating all, each (thresholds,)."""

    threshold: Floats
    model: Floats
    treat_all: Floats
    prevalence: float


def net_benefit(
    probs: ArrayLike,
    labels: ArrayLike,
    thresholds: ArrayLike,
    *,
    prevalence: float | None = None,
) -> NetBenefit:
    """Return the decision curve of `probs` (cases, 2) against `labels` (cases,).

    `prevalence` is the deployment p of the second class, None for the sample's own. Raises
    InputError for a threshold outside [0, 1), a prevalence outside [0, 1], an invalid row, or a
    class that is absent while `prevalence` is given.
    """
    p = positive(probs)
    _, y = hard_pair(probs, labels)
    t = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not ((t >= 0) & (t < 1)).all():
        raise InputError(f"thresholds: got {t.tolist()}, expected numbers in [0, 1)")
    share = float((y == 1).mean())
    if prevalence is not None:
        if not 0 <= prevalence <= 1 or share in (0.0, 1.0):
            raise InputError(
                f"prevalence: got {prevalence:g} with {share:.0%} of the cases positive, expected "
                "a number in [0, 1] and cases of both classes"
            )
        share = prevalence
    model = net_benefit_replicates(p, y == 1, each_once(len(p)), t, prevalence)[0]
    return NetBenefit(t, model, share - (1 - share) * t / (1 - t), share)


def net_benefit_replicates(
    score: Floats,
    positive: NDArray[np.bool_],
    weights: Floats,
    thresholds: Floats,
    prevalence: float | None,
) -> Floats:
    """Return net benefit (replicates, thresholds) of the cases counted by `weights`.

    `score` and `positive` are (cases,), `weights` (replicates, cases).
    """
    act = (score[:, None] >= thresholds[None, :]).astype(np.float64)
    hits, alarms = weights @ (act * positive[:, None]), weights @ (act * ~positive[:, None])
    ups, downs = (weights @ positive)[:, None], (weights @ ~positive)[:, None]
    if prevalence is None:
        hits, alarms = hits / (ups + downs), alarms / (ups + downs)
    else:
        hits, alarms = prevalence * hits / ups, (1 - prevalence) * alarms / downs
    return np.asarray(hits - alarms * thresholds / (1 - thresholds))
