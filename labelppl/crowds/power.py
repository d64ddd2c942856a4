"""The power likelihood: votes of one item count for less than independent ones, by Kish's design effect.

    p(y = k | v_i) = mean over draws of softmax_k( log pi_k + tau_i sum over votes (j, l) of log C_j[k, l] )
    tau_i = 1 / (1 + rho (n_i - 1)),        n_i votes of item i

Raters of one item see the same picture and err together, so n votes are worth n tau_i of independent ones, and no item is
worth more than 1 / rho. Dawid and Skene's model does not know this and is too sure. rho is chosen on a grid by how well an
item's other votes predict each vote,

    sum over votes v of log p(v | the item's other votes, rho),

or, where `LEAST_KNOWN` items or more have a known class, by log p(y_i | v_i, rho) of these. The confusion matrices stay
those of rho = 0. What all raters misread alike leaves no trace in votes; see docs/crowds-that-misread.md. Sources: Kish,
Survey Sampling (1965); power likelihoods as in Bissiri, Holmes and Walker, JRSS B 78 (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from ..arrays import Floats, Ints
from ..seeds import stream
from .vote_table import VoteTable

#: rho to choose from; the last two only where known classes decide, since votes cannot tell them.
DISCOUNTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.17, 0.2, 0.25, 0.3, 0.4, 0.5)
MORE_WITH_TRUTH = (0.7, 1.0)
#: Known classes from which on they decide; fifty halve the miscalibration that votes leave.
LEAST_KNOWN = 50
#: Votes and draws that the choice looks at; more change rho by less than a step of the grid.
MOST_VOTES, MOST_DRAWS = 10_000, 40


class VoteParameters(NamedTuple):
    """prevalence (classes,) and confusion (raters, classes, answers) of one draw."""

    prevalence: Floats
    confusion: Floats


def design_effect(votes: Floats, rho: float) -> Floats:
    """tau (items,): what one of the item's ``votes`` (items,) is worth of an independent one."""
    return np.asarray(1 / (1 + rho * np.maximum(votes - 1, 0)))


def choose_rho(
    votes: VoteTable, draws: Sequence[VoteParameters], known: Ints | None = None, seed: int = 0
) -> float:
    """The rho of the grid that predicts best; the smallest if several do.

    Args:
        votes: The votes that ``draws`` were fitted to.
        draws: Draws of the parameters at rho = 0.
        known: (items,) codes of known classes, -1 elsewhere.
        seed: Chooses `MOST_VOTES` votes where there are more.
    """
    some = list(draws)[:: max(1, len(draws) // MOST_DRAWS)]
    certain = np.flatnonzero(known >= 0) if known is not None else np.empty(0, dtype=np.int64)
    grid: tuple[float, ...] = DISCOUNTS
    if known is not None and len(certain) >= LEAST_KNOWN:
        grid = (*DISCOUNTS, *MORE_WITH_TRUTH)
        score = _of_classes(votes, some, certain, known[certain], grid)
    else:
        score = _of_votes(votes, some, grid, seed)
    return grid[int(score.argmax())]


def held_out_votes(votes: VoteTable, draws: Sequence[VoteParameters], rho: float) -> float:
    """Mean log p(v | the item's other votes) over all votes."""
    return float(_of_votes(votes, draws, (rho,), None)[0]) / len(votes)


def _of_votes(
    votes: VoteTable, draws: Sequence[VoteParameters], grid: Sequence[float], seed: int | None
) -> Floats:
    """Sum of log p(v | the item's other votes) for each rho (grid,).

    The draws knew the vote too: they are weighted by 1 / p(v | the others), which gives a harmonic mean.
    """
    if seed is None or len(votes) <= MOST_VOTES:
        at = np.arange(len(votes))
    else:
        at = stream(seed, "rho").numpy().choice(len(votes), MOST_VOTES, replace=False)
    item, rater, label = votes.item[at], votes.rater[at], votes.label[at]
    own_weight = np.ones(len(at)) if votes.weight is None else votes.weight[at]
    n = votes.total_weight[item] - own_weight
    inverse = np.zeros((len(grid), len(at)))
    for prevalence, confusion in draws:
        own = confusion[rater, :, label]
        log_c = np.log(confusion)
        others = votes.spread(log_c[votes.rater, :, votes.label])[item]
        others -= own_weight[:, None] * np.log(own)
        for g, rho in enumerate(grid):
            p = _softmax(np.log(prevalence) + design_effect(n, rho)[:, None] * others)
            inverse[g] += 1 / (p * own).sum(1)
    return np.asarray(-np.log(inverse / len(draws)).sum(1))


def _of_classes(
    votes: VoteTable,
    draws: Sequence[VoteParameters],
    items: Ints,
    classes: Ints,
    grid: Sequence[float],
) -> Floats:
    """Sum of log p(y_i | v_i) for each rho (grid,), the item's own class left out of the draws."""
    n = votes.total_weight[items]
    at = np.arange(len(items))
    total, weights = np.zeros((len(grid), len(items))), np.zeros(len(items))
    for prevalence, confusion in draws:
        log_c = np.log(confusion)
        evidence = votes.spread(log_c[votes.rater, :, votes.label])[items]
        weight = 1 / _softmax(np.log(prevalence) + evidence)[at, classes]
        weights += weight
        for g, rho in enumerate(grid):
            p = _softmax(np.log(prevalence) + design_effect(n, rho)[:, None] * evidence)
            total[g] += weight * p[at, classes]
    return np.asarray(np.log(total / weights).sum(1))


def _softmax(x: Floats) -> Floats:
    return np.asarray(np.exp(x - logsumexp(x, axis=1, keepdims=True)))
