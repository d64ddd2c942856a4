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
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..calibration.two_classes import positive
from ..errors import InputError
from ..probabilities import hard_pair


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
    act = p[None, :] >= t[:, None]
    hits, alarms = (act & (y == 1)).mean(axis=1), (act & (y == 0)).mean(axis=1)
    share = float((y == 1).mean())
    if prevalence is not None:
        if not 0 <= prevalence <= 1 or share in (0.0, 1.0):
            raise InputError(
                f"prevalence: got {prevalence:g} with {share:.0%} of the cases positive, expected "
                "a number in [0, 1] and cases of both classes"
            )
        hits, alarms = hits / share * prevalence, alarms / (1 - share) * (1 - prevalence)
        share = prevalence
    odds = t / (1 - t)
    return NetBenefit(t, hits - alarms * odds, share - (1 - share) * odds, share)
