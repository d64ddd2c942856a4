"""Dawid and Skene's model with one Dirichlet prior for every confusion row, and one sweep of its Gibbs sampler.

    pi ~ Dir(1),   C_j[k, .] ~ Dir(alpha_k.)

Nothing is shared between raters: one with few votes stays near the prior. `nested` learns the prior from the crowd.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Floats
from .gibbs_run import Pace
from .nested import EDGE


@dataclass(frozen=True)
class FlatCrowd:
    """prevalence (K,) and confusion (J, K, K) at one draw; prior (K, K) the Dirichlet's parameters, which are fixed."""

    prevalence: Floats
    confusion: Floats
    prior: Floats

    @classmethod
    def start(cls, raters: int, prior: Floats) -> FlatCrowd:
        """Where chains start: every rater as the prior expects."""
        k = len(prior)
        confusion = np.tile(prior / prior.sum(1, keepdims=True), (raters, 1, 1))
        return cls(np.full(k, 1 / k), confusion, prior)

    @property
    def shared(self) -> Floats:
        """No parameter is shared by the raters."""
        return np.empty(0)

    def draw(self, rng: np.random.Generator, counts: Floats, pace: Pace) -> FlatCrowd:
        """Confusion rows given the votes' counts (raters, classes, answers)."""
        drawn = rng.standard_gamma(self.prior + counts) + EDGE
        return replace(self, confusion=drawn / drawn.sum(2, keepdims=True))
