"""Hard labels: cross entropy against the one-hot label.

target_i = e_{y_i}; loss = -log q_{y_i}. With hard labels the minimiser at a fixed image is the
class frequency there (Vega et al. 2021, arXiv 2102.06164, eq. 2), which few cases estimate
poorly.
"""

from __future__ import annotations

from torch import Tensor

from .base import Target
from .target_data import TargetData, one_hot


class Hard(Target):
    """The label as it stands. Learns from labelled cases."""

    name = "hard"

    def start(self, evidence: TargetData) -> Tensor:
        return one_hot(evidence)
