"""Dawid and Skene's raters: each has a confusion matrix, and errors are independent given the class.

    log T_ik = log pi_k + sum over votes (j, l) of item i of log C_j[k, l]        (joint, per item and class)
    log p(votes) = sum_i logsumexp_k log T_ik

EM maximises log p(votes) plus the log prior, where pseudo-counts b[k, l] are added to every rater's row:
Dirichlet(1 + b) rows, heavier on the diagonal, pin the order of the classes and keep rare raters from
certainty. With no pseudo-counts it is the 1979 maximum likelihood. Independence is an assumption: raters who
copy each other are counted as often as they appear; see `dependence`. Source: Dawid and Skene,
Applied Statistics 28 (1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..arrays import Floats, Ints
from ..errors import FailedWork, InputError
from .vote_shares import vote_shares
from .vote_table import VoteTable


@dataclass(frozen=True)
class DawidSkeneFit:
    """The fit of Dawid and Skene's model to a table of votes.

    Attributes:
        prevalence: Share of each class, (classes,).
        confusion: Probability of each answer given the class, (raters, classes, votes).
        probs: p(class | votes) of each item, (items, classes).
        log_likelihood: Of the votes at that point, without the prior, in nats.
        log_posterior: The same with the prior, up to a constant, in nats.
        steps: Steps of EM taken.

    Examples:
        >>> votes = VoteTable.from_matrix([[0, 0, 1], [1, 1, 1], [0, 0, 0]], classes=2)
        >>> fit = dawid_skene_em(votes, pseudo_counts=1.0)
        >>> fit.confusion.shape
        (3, 2, 2)
    """

    prevalence: Floats
    confusion: Floats
    probs: Floats
    log_likelihood: float
    log_posterior: float
    steps: int


def confusion_log_joint(votes: VoteTable, prevalence: Floats, confusion: Floats) -> Floats:
    """log p(votes of item i, y_i = k), (items, classes); zeros of the parameters become -inf."""
    with np.errstate(divide="ignore"):
        log_prior, log_c = np.log(prevalence), np.log(confusion)
    return log_prior + votes.spread(log_c[votes.rater, :, votes.label])


def dawid_skene_em(
    votes: VoteTable,
    pseudo_counts: Floats | float = 0.0,
    prevalence_counts: Floats | float = 0.0,
    *,
    start: Floats | None = None,
    known: Ints | None = None,
    most_steps: int = 2000,
    tolerance: float = 1e-9,
) -> DawidSkeneFit:
    """Fit Dawid and Skene's model to votes: the maximum a posteriori by EM.

    EM starts from the shares of votes, as in 1979, or from ``start``. Source: Dawid and Skene, Applied Statistics 28 (1979).

    Args:
        votes: The votes.
        pseudo_counts: Added to every rater's rows: a number, (classes, votes) or (raters, classes, votes).
        prevalence_counts: Added to the counts of the classes: a number or (classes,).
        start: Probabilities from which EM starts, (items, classes).
        known: Code of the class where it is known, -1 elsewhere, (items,).
        most_steps: Steps after which the fit has failed.
        tolerance: Relative change of the log posterior at which the fit has settled.

    Returns:
        The fit.

    Raises:
        InputError: A pseudo-count is negative.
        FailedWork: The log posterior has not settled after ``most_steps``.

    Examples:
        >>> votes = VoteTable.from_matrix([[0, 0, 1], [1, 1, 1], [0, 0, 0]], classes=2)
        >>> fit = dawid_skene_em(votes, pseudo_counts=diagonal_counts(2, 2.0, 1.0))
        >>> fit.probs.argmax(1).tolist()
        [0, 1, 0]
    """
    if np.min(pseudo_counts) < 0 or np.min(prevalence_counts) < 0:
        raise InputError("dawid_skene_em: got a negative pseudo-count, expected 0 or more")
    if start is None:
        start = np.nan_to_num(vote_shares(votes.counts()), nan=1 / len(votes.classes))
    possible = np.ones(start.shape, dtype=bool)
    if known is not None:
        possible[known >= 0] = np.eye(start.shape[1], dtype=bool)[known[known >= 0]]
    probs = _normalise(start * possible)
    before = -np.inf
    for step in range(1, most_steps + 1):
        prevalence = _normalise(probs.sum(0) + prevalence_counts)
        confusion = _normalise(votes.confusion_counts(probs) + pseudo_counts)
        joint = np.where(possible, confusion_log_joint(votes, prevalence, confusion), -np.inf)
        evidence = logsumexp(joint, axis=1)
        probs = np.exp(joint - evidence[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            prior = np.nansum(pseudo_counts * np.log(confusion)) + np.nansum(
                prevalence_counts * np.log(prevalence)
            )
        now = float(evidence.sum() + prior)
        if abs(now - before) < tolerance * (1 + abs(now)):
            return DawidSkeneFit(prevalence, confusion, probs, float(evidence.sum()), now, step)
        before = now
    raise FailedWork(
        f"dawid_skene_em: log likelihood still moves by {abs(now - before):.2g} after {most_steps} steps"
    )


def predict_votes(fit: DawidSkeneFit, item: Ints, rater: Ints) -> Floats:
    """Probability of each answer that a rater would give on an item.

    Args:
        fit: The fit whose items and raters are meant.
        item: Position of the item, (votes,).
        rater: Position of the rater, (votes,).

    Returns:
        Probabilities (votes, classes).

    Examples:
        >>> votes = VoteTable.from_matrix([[0, 0, 1], [1, 1, 1], [0, 0, 0]], classes=2)
        >>> fit = dawid_skene_em(votes, pseudo_counts=1.0)
        >>> predict_votes(fit, np.array([0]), np.array([1])).round(2).tolist()
        [[0.6, 0.4]]
    """
    predicted: Floats = np.einsum("vk,vkl->vl", fit.probs[item], fit.confusion[rater])
    return predicted


def diagonal_counts(classes: int, diagonal: float, elsewhere: float) -> Floats:
    """Pseudo-counts that expect the right answer more often than a wrong one.

    Args:
        classes: Number of classes.
        diagonal: Pseudo-votes for the right answer.
        elsewhere: Pseudo-votes for each wrong answer.

    Returns:
        Pseudo-counts (classes, votes).

    Examples:
        >>> diagonal_counts(2, 2.0, 1.0).tolist()
        [[2.0, 1.0], [1.0, 2.0]]
    """
    return elsewhere + (diagonal - elsewhere) * np.eye(classes)


def _normalise(counts: Floats) -> Floats:
    """Rows that sum to one; a row without any count is uniform."""
    total = counts.sum(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, counts / total, 1.0 / counts.shape[-1])
