"""AUC-margin loss: positives score above negatives by a margin.

min over a, b, max over alpha >= 0 of E+(h-a)^2 + E-(h-b)^2 + 2 alpha (m + E-h - E+h) - alpha^2, h
= q_1. The inner problems have the closed solution a = E+h, b = E-h, alpha = (m + b - a)+, so that
the saddle is Var+ + Var- + ((m + b - a)+)^2 and by the envelope theorem its gradient is that of
the published min-max at the batch's own optimum: no second optimiser is needed. Ying et al. 2016;
Yuan et al. 2021, arXiv 2012.03173 (LibAUC; its `v2` misplaces a parenthesis and gives other
values). More than two classes: the mean over one-against-rest problems. Weights p_k replace the
class indicators, so soft labels work too. A batch without a class takes that class's mean score
from a running estimate. It ranks; it does *not* calibrate: recalibrate before reading
probabilities.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Target, Validation, check, promote, sum_over_processes
from .target_data import Base, TargetData, base_labels

_KEEP = 0.9  # share of the running class means kept at each batch


class AUCMargin(Target):
    """margin m > 0; base: which labels.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "auc-margin"
    needs_observe = True

    def __init__(self, margin: float = 1.0, base: Base = "hard") -> None:
        check(margin > 0, self.name, "margin", margin, "a number > 0")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.margin = margin
        self.base: Base = base

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        self._labels = base_labels(evidence, self.base, self.name)
        problems = 1 if evidence.classes == 2 else evidence.classes
        # Weighted score sums and weights of (negatives, positives); one half until a class is seen.
        self._weights = torch.full((2, problems), 1e-6, device=evidence.hard.device)
        self._sums = 0.5 * self._weights
        return self._labels

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        score, weight = self._score_and_weight(logits, target)
        total = weight.sum(1)
        running = (self._sums / self._weights).to(score)
        seen = (weight * score).sum(1) / total.clamp(min=torch.finfo(score.dtype).eps)
        mean = torch.where(total > 0, seen, running)
        share = weight / total.clamp(min=torch.finfo(score.dtype).eps)[:, None]
        spread = (share * (score - mean[:, None]) ** 2).sum(0) * len(logits)
        gap = (self.margin + mean[0] - mean[1]).clamp(min=0)
        return (spread + gap**2).mean(1)

    def observe(self, logits: Tensor, rows: Tensor) -> None:
        score, weight = self._score_and_weight(logits, self._labels[rows])
        self._sums = _KEEP * self._sums + (weight * score).sum(1).to(self._sums)
        self._weights = _KEEP * self._weights + weight.sum(1).to(self._weights)

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> None:
        world = sum_over_processes(torch.ones_like(self._sums))
        self._sums = sum_over_processes(self._sums) / world
        self._weights = sum_over_processes(self._weights) / world

    def state_dict(self) -> dict[str, Tensor]:
        return {"sums": self._sums, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._sums = state["sums"].to(self._sums)
        self._weights = state["weights"].to(self._weights)

    @staticmethod
    def _score_and_weight(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (batch, problems) and weights (negative/positive, batch, problems)."""
        q = promote(logits).softmax(1)
        p = target.to(q)
        if q.shape[1] == 2:
            q, p = q[:, 1:], p[:, 1:]
        return q, torch.stack([1 - p, p])
