"""What raters' votes say: aggregation rules and likelihoods in plain numpy, for any number of raters."""

from __future__ import annotations

from .confusion_em import DawidSkeneFit, dawid_skene_em, diagonal_counts, predict_votes
from .majority import majority
from .mean_vote import mean_vote
from .vote_table import VoteTable

__all__ = [
    "DawidSkeneFit",
    "VoteTable",
    "dawid_skene_em",
    "diagonal_counts",
    "majority",
    "mean_vote",
    "predict_votes",
]
