"""Probabilistic labels: cross entropy against p(Y|Z), step 1 of the paper.

target_i = p(Y | z_i), the mean of the label posterior (Vega et al. 2021, eq. 4). Cross entropy is
linear in its target, so training on the draws of the posterior one by one has the same minimiser:
draws add noise, not knowledge; `dirichlet` is the way to pass the spread on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Target
from .target_data import TargetData, require


class Prob(Target):
    """The soft labels. Learns from every case that has one, labelled or not."""

    name = "prob"

    def usable(self, evidence: TargetData) -> Tensor:
        return torch.ones_like(evidence.hard, dtype=torch.bool)

    def start(self, evidence: TargetData) -> Tensor:
        return require(evidence, "soft", self.name)
