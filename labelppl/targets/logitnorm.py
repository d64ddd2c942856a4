"""Logit normalisation: the loss sees the direction of the logits, not their length.

loss = CE(t, softmax(z / (tau |z|))) (Wei et al., ICML 2022, arXiv 2205.09310); its gradient is orthogonal to z, so that
training cannot grow more confident by length. Predictions read the normalised logits too. A student with one neuron, read
as [0, l], has z / |z| = (0, +-1): its loss is flat in l, so that two classes need two outputs, which this target asks for.
The length is kept above 1e-7, since the loss has no direction at z = 0.
"""

from __future__ import annotations

from torch import Tensor

from .base import Target, check, promote, soft_cross_entropy
from .target_data import Base, TargetData, base_labels

SHORTEST = 1e-7


class LogitNorm(Target):
    """tau > 0; base: which labels. Needs one output per class.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "logitnorm"
    needs_full_head = True

    def __init__(self, tau: float = 0.04, base: Base = "hard") -> None:
        check(tau > 0, self.name, "tau", tau, "a number > 0")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.tau = tau
        self.base: Base = base

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        return base_labels(evidence, self.base, self.name)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        return soft_cross_entropy(self._normalised(logits), target)

    def probabilities(self, logits: Tensor) -> Tensor:
        return self._normalised(logits).softmax(1)

    def _normalised(self, logits: Tensor) -> Tensor:
        z = promote(logits)
        return z / (self.tau * z.norm(dim=1, keepdim=True).clamp_min(SHORTEST))
