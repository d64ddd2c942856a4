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
    """prevalence (classes,), confusion (raters, classes, votes), probs (items, classes).

    log_likelihood of the votes at that point, without the prior; log_posterior with it; steps of EM taken.
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
    """Maximum a posteriori by EM from the shares of votes, as in 1979, or from `start` (items, classes).

    pseudo_counts: number, (classes, votes) or (raters, classes, votes), added to every rater's row.
    prevalence_counts: number or (classes,). known: (items,) codes of known classes, -1 elsewhere. Raises FailedWork if
    the likelihood has not settled.
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
    """Probability of each answer that `rater` (votes,) would give on `item` (votes,), (votes, classes)."""
    predicted: Floats = np.einsum("vk,vkl->vl", fit.probs[item], fit.confusion[rater])
    return predicted


def diagonal_counts(classes: int, diagonal: float, elsewhere: float) -> Floats:
    """Pseudo-counts (classes, votes): `diagonal` for the right answer, `elsewhere` for each wrong one."""
    return elsewhere + (diagonal - elsewhere) * np.eye(classes)


def _normalise(counts: Floats) -> Floats:
    """Rows that sum to one; a row without any count is uniform."""
    total = counts.sum(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, counts / total, 1.0 / counts.shape[-1])
