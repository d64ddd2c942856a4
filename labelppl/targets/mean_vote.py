"""Raters' mean vote: the label is the share of raters who chose each class.

target_ik = (c_ik + prior) / sum_j (c_ij + prior). It estimates what raters say, not what is true
(Grossmann, Schmarje & Koch 2022, arXiv 2207.06224).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Target, check
from .target_data import TargetData, require


class MeanVote(Target):
    """prior >= 0: pseudo-votes for each class. Learns from cases with at least one vote."""

    name = "mean-vote"

    def __init__(self, prior: float = 0.0) -> None:
        check(prior >= 0, self.name, "prior", prior, "a number >= 0")
        self.prior = prior

    def usable(self, evidence: TargetData) -> Tensor:
        return require(evidence, "votes", self.name).sum(1) > 0

    def start(self, evidence: TargetData) -> Tensor:
        votes = votes_of(evidence, self.name) + self.prior
        return votes / votes.sum(1, keepdim=True)


def votes_of(evidence: TargetData, method: str) -> Tensor:
    """The vote counts (cases, classes) as floats. Raises InputError at a case without votes."""
    votes = require(evidence, "votes", method)
    check(bool((votes >= 0).all()), method, "votes", float(votes.min()), "counts >= 0")
    empty = votes.sum(1) == 0
    if bool(empty.any()):
        row = int(empty.nonzero()[0])
        check(False, method, f"votes, row {row}", votes[row].tolist(), "at least one vote")
    dtype = torch.get_default_dtype() if evidence.soft is None else evidence.soft.dtype
    return votes.to(dtype)
