"""Certainty weights: cases whose soft label is certain weigh more. Off by default.

w_i = 1 - H(p_i) / ln K ("entropy"), or w_i = a0_i / (a0_i + c) with a0_i the Dirichlet
concentration of the case's posterior draws ("concentration"), divided by their mean over the
training cases, so that the sum over cases, and with it the meaning of lambda, is kept. "entropy"
overweights the easy cases and biases calibration; "concentration" only discounts what the label
model does not know.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from .around import Around
from .base import Target, check
from .dirichlet import dirichlet_concentration
from .target_data import TargetData, require


class CertaintyWeighted(Around):
    """Any target, its losses weighted by how certain the soft label is; the weights have mean 1.

        w_i = 1 - H(p_i) / ln K ("entropy"),   w_i = a0_i / (a0_i + c) ("concentration")

    with a0_i the Dirichlet concentration of the case's posterior draws. Learns from the same cases as that target.

    Args:
        target: The target whose losses are weighted.
        kind: ``entropy`` or ``concentration``.
        scale: c > 0, in units of a0.

    Raises:
        InputError: Another ``kind``, or ``scale`` is not above 0.

    Examples:
        >>> from labelppl.targets import make_target
        >>> CertaintyWeighted(make_target("prob"), kind="entropy").kind
        'entropy'
    """

    name = "certainty-weighted"

    def __init__(
        self,
        target: Target,
        kind: Literal["entropy", "concentration"] = "concentration",
        scale: float = 10.0,
    ) -> None:
        check(kind in ("entropy", "concentration"), self.name, "kind", kind, "one of the two kinds")
        check(scale > 0, self.name, "scale", scale, "a number > 0")
        super().__init__(target)
        self.kind = kind
        self.scale = scale

    def start(self, evidence: TargetData) -> Tensor:
        if self.kind == "entropy":
            p = require(evidence, "soft", self.name)
            weights = 1 + torch.xlogy(p, p).sum(1) / math.log(evidence.classes)
        else:
            a0 = dirichlet_concentration(
                require(evidence, "draws", self.name), evidence.log_weights
            )
            weights = a0 / (a0 + self.scale)
        check(bool(weights.sum() > 0), self.name, "weights", 0, "a case that is not all uncertain")
        self.weights = weights / weights.mean()
        return self.target.start(evidence)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        loss = self.target.loss(logits, target, rows)
        return loss * self.weights[rows].to(loss)
