"""GLAD: rater ability and item easiness.

    P(vote of j on i is right) = sigmoid(alpha_j e^{beta_i});  errors are uniform over the K - 1 wrong classes
    log T_ik = log pi_k + sum over votes (j, l) of item i of log [ l = k: s ; else (1 - s) / (K - 1) ]

A negative ability is a rater who is wrong on purpose. Source: Whitehill et al., NIPS 22 (2009).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from .vote_table import VoteTable


def glad_log_joint(
    votes: VoteTable, prevalence: Floats, ability: Floats, log_easiness: Floats
) -> Floats:
    """log p(votes of item i, y_i = k), (items, classes).

    prevalence (classes,), ability (raters,), log_easiness (items,).
    """
    classes = len(votes.classes)
    strength = ability[votes.rater] * np.exp(log_easiness[votes.item])
    log_right = -np.logaddexp(0.0, -strength)
    log_wrong = -np.logaddexp(0.0, strength) - np.log(classes - 1)
    per_vote = np.repeat(log_wrong[:, None], classes, 1)
    per_vote[np.arange(len(votes)), votes.label] = log_right
    return np.log(prevalence) + votes.spread(per_vote)
