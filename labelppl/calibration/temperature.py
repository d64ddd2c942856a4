"""Temperature scaling: one number that makes a classifier more or less confident.

    q ∝ p^{1/T} = softmax(log p / T),   T = argmin cross-entropy on calibration cases

The order of the classes of a case never changes, so accuracy stays, and with two classes AUC too. T = 1 is
the identity. The loss is convex in b = 1/T with slope Σ_i Σ_k (q_ik − t_ik) log p_ik, so T is where that
slope is 0, searched for b in [e^-5, e^5]. Where it has one sign throughout, the calibration cases are
separable (T at its lower end) or hold no signal (at its upper end).
Source: Guo et al. 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax

from ..arrays import Floats
from ..probabilities import FLOOR, checked_probs
from .base import Recalibration, soft_target

BOUND = 5.0
"""|log T| goes no further: e^5 turns a probability of .99 into .51."""


@dataclass(frozen=True)
class Temperature(Recalibration):
    """Temperature scaling.

    Args:
        temperature: T > 0; above 1 where the probabilities are too sure.

    Examples:
        >>> import numpy as np
        >>> sharp = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]])
        >>> mapping = Temperature().fit(sharp, [[0.75, 0.25], [0.25, 0.75]] * 2)
        >>> round(mapping.temperature, 6)
        2.0
        >>> mapping.transform(sharp)[0].round(6).tolist()
        [0.75, 0.25]
    """

    temperature: float = 1.0
    name: ClassVar[str] = "temperature"

    def fit(self, probs: ArrayLike, reference: ArrayLike) -> Temperature:
        """Return the map with the T that fits best."""
        p, target = soft_target(probs, reference)
        logs = _logs(p)

        def slope(log_t: float) -> float:
            q = softmax(logs / np.exp(log_t), axis=1)
            return float(((q - target) * logs).sum())

        low, high = slope(-BOUND), slope(BOUND)
        if low <= 0:
            return Temperature(float(np.exp(-BOUND)))
        if high >= 0:
            return Temperature(float(np.exp(BOUND)))
        return Temperature(float(np.exp(brentq(slope, -BOUND, BOUND, xtol=1e-12))))

    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, classes) at this temperature."""
        return np.asarray(softmax(_logs(checked_probs(probs)) / self.temperature, axis=1))

    @property
    def at_bound(self) -> bool:
        """Whether no T inside the bounds fits best."""
        return bool(abs(np.log(self.temperature)) >= BOUND - 1e-9)


def _logs(probs: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probs, FLOOR)))
