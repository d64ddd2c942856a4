"""What raters' votes say: aggregation rules and likelihoods in plain numpy, for any number of raters."""

from __future__ import annotations

from .confusion_em import DawidSkeneFit, dawid_skene_em, diagonal_counts, predict_votes
from .majority import majority
from .vote_shares import vote_shares
from .vote_table import VoteTable

__all__ = [
    "DawidSkeneFit",
    "VoteTable",
    "dawid_skene_em",
    "diagonal_counts",
    "majority",
    "predict_votes",
    "vote_shares",
]
