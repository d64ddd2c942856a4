"""Raters' majority: the label is the class with the most votes; ties by an explicit rule.

ties: "split" shares the label evenly among the tied classes (default); "abstain" leaves tied
cases out; "lowest" takes the first tied class, as an argmax silently does; "seeded" draws one by
`seed`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import Target, TargetData, check, given
from .mean_vote import voted

Ties = Literal["split", "abstain", "lowest", "seeded"]
_RULES = ("split", "abstain", "lowest", "seeded")


class Majority(Target):
    """ties: what to do with them; seed: of the "seeded" rule.

    Learns from cases with at least one vote, and a winner where ties abstain.
    """

    name = "majority"

    def __init__(self, ties: Ties = "split", seed: int = 0) -> None:
        check(ties in _RULES, self.name, "ties", ties, f"one of {', '.join(_RULES)}")
        self.ties = ties
        self.seed = seed

    def usable(self, evidence: TargetData) -> Tensor:
        votes = given(evidence, "votes", self.name)
        some = votes.sum(1) > 0
        return some & (_winners(votes).sum(1) == 1) if self.ties == "abstain" else some

    def start(self, evidence: TargetData) -> Tensor:
        votes = voted(evidence, self.name)
        winners = _winners(votes).to(votes.dtype)
        if self.ties == "split":
            return winners / winners.sum(1, keepdim=True)
        if self.ties == "seeded":
            generator = torch.Generator().manual_seed(self.seed)
            chance = torch.rand(votes.shape, generator=generator).to(votes)
            chosen = (winners * (1 + chance)).argmax(1)
        else:
            chosen = winners.argmax(1)
        return functional.one_hot(chosen, evidence.classes).to(votes.dtype)


def _winners(votes: Tensor) -> Tensor:
    """Which classes have the most votes (cases, classes), bool."""
    return votes == votes.max(1, keepdim=True).values
