"""Raters and features jointly: the class prior of an item is its classifier's p(k | z).

    p(k | z_i, votes_i)  proportional to  p(k | z_i) prod over votes (j, l) of C_j[k, l]

This item posterior is the soft label of a training row; where an item has no votes it is p(k | z_i).
Source: Raykar et al., JMLR 11 (2010).
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from ..arrays import Floats
from .vote_table import VoteTable


def item_posterior(votes: VoteTable, given_features: Floats, confusion: Floats) -> Floats:
    """p(k | z_i, votes_i), (items, classes).

    given_features (items, classes) = p(k | z_i); confusion (raters, classes, votes).
    """
    with np.errstate(divide="ignore"):
        log_prior, log_c = np.log(given_features), np.log(confusion)
    joint = log_prior + votes.spread(log_c[votes.rater, :, votes.label])
    posterior: Floats = np.exp(log_softmax(joint, axis=1))
    return posterior
