"""Raters' majority: the label is the class with the most votes; ties by the rule of `crowds.majority`."""

from __future__ import annotations

import torch
from torch import Tensor

from ..crowds.majority import TIE_RULES, TieRule, majority
from .base import Target, check
from .mean_vote import votes_of
from .target_data import TargetData, require


class Majority(Target):
    """ties: what to do with them, see `labelppl.crowds.majority`; seed: of the rule "seeded".

    Learns from cases with at least one vote, and a winner where ties abstain.
    """

    name = "majority"

    def __init__(self, ties: TieRule = "split", seed: int = 0) -> None:
        check(ties in TIE_RULES, self.name, "ties", ties, f"one of {', '.join(TIE_RULES)}")
        self.ties = ties
        self.seed = seed

    def usable(self, evidence: TargetData) -> Tensor:
        votes = require(evidence, "votes", self.name)
        return (votes.sum(1) > 0) & ~self._winners(votes).isnan().any(1)

    def start(self, evidence: TargetData) -> Tensor:
        votes = votes_of(evidence, self.name)
        return self._winners(votes).to(votes)

    def _winners(self, votes: Tensor) -> Tensor:
        """(cases, classes) probabilities; NaN where a tied case abstains."""
        return torch.from_numpy(majority(votes.double().cpu().numpy(), self.ties, self.seed))
