"""DOMINO: mistakes between classes that are rarely confused cost more.

loss = CE(p, q) + beta p^T W q, W_kk = 0, q = softmax(z). W = 1 - row-normalised *validation*
confusion of a network trained before on the hard labels (W_CM), or given by hand (W_HC, typically
.7 to 1 off the diagonal between distant classes). Stolte et al. 2022, arXiv 2209.06077;
lab-smile/DOMINO, Losses.py, train.py: beta = 3, and the released matrix is multiplied by 3
beforehand (effectively 9; here it is not).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from .base import Target, check, promote
from .target_data import Base, TargetData, base_labels, require


class Domino(Target):
    """beta >= 0: the weight; matrix: W (classes, classes), None: from `TargetData.confusion`.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "domino"

    def __init__(
        self, beta: float = 3.0, matrix: Tensor | None = None, base: Base = "hard"
    ) -> None:
        check(beta >= 0, self.name, "beta", beta, "a number >= 0")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.beta = beta
        self.base: Base = base
        self.costs = matrix
        self.needs_teacher = self.needs_validation = matrix is None

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        labels = base_labels(evidence, self.base, self.name)
        k = evidence.classes
        if self.costs is None:
            counts = require(evidence, "confusion", self.name).to(labels)
            matrix = 1 - counts / counts.sum(1, keepdim=True).clamp(min=1)
        else:
            matrix = self.costs.to(labels)
        if matrix.shape != (k, k):
            raise InputError(
                f"target domino: matrix: got shape {tuple(matrix.shape)}, expected {(k, k)}"
            )
        self.matrix = matrix * (1 - torch.eye(k, dtype=matrix.dtype, device=matrix.device))
        return labels

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        log_q = functional.log_softmax(promote(logits), dim=1)
        p = target.to(log_q.dtype)
        cost = (p @ self.matrix.to(log_q)) * log_q.exp()
        return -(p * log_q).sum(1) + self.beta * cost.sum(1)
