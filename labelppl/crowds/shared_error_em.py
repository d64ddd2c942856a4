"""Raters who share their errors: groups that copy one hidden answer, Dawid-Skene between the groups.

A group g has a hidden answer u_g; its members repeat u_g, each with slips of its own:

    p(votes of item i | y = k) = prod_g sum_u A_g[k, u] prod over votes (j, l), j in g, of B_j[u, l]

A is the group's confusion matrix, B_j a member's against the hidden answer. Four near-duplicates of one source
then count as about one source. A rater alone is a group of one, where u is what the rater says. The fit is EM
with pseudo-counts, as in `confusion_em`; the two layers are a tree, so that the sums stay exact. Sources: Dawid
and Skene (1979); latent trees of sources as in Varma et al. (ICML 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..arrays import Floats
from ..errors import FailedWork, InputError
from .confusion_em import _normalise, diagonal_counts
from .vote_shares import vote_shares
from .vote_table import VoteTable

Groups = Sequence[Sequence[int]]


@dataclass(frozen=True)
class SharedErrorFit:
    """groups of rater codes; prevalence (classes,); answer (groups, classes, answers) = A;

    slip (raters, answers, votes) = B, the identity for a rater alone; probs (items, classes);
    log_likelihood without the prior; free parameters; steps of EM.
    """

    groups: tuple[tuple[int, ...], ...]
    prevalence: Floats
    answer: Floats
    slip: Floats
    probs: Floats
    log_likelihood: float
    parameters: int
    steps: int

    @property
    def bic(self) -> float:
        """Bayesian information criterion, lower is better; n is the number of items."""
        return -2 * self.log_likelihood + self.parameters * float(np.log(len(self.probs)))


def complete_groups(groups: Groups, raters: int) -> tuple[tuple[int, ...], ...]:
    """The groups and, after them, every other rater alone; InputError if a rater is in two groups."""
    shared = [tuple(int(j) for j in group) for group in groups]
    inside = [j for group in shared for j in group]
    if len(set(inside)) < len(inside) or any(not 0 <= j < raters for j in inside):
        raise InputError(
            f"groups: got {shared}, expected different rater codes from 0 to {raters - 1}"
        )
    return (*shared, *((j,) for j in range(raters) if j not in set(inside)))


def shared_error_em(
    votes: VoteTable,
    groups: Groups,
    pseudo_counts: Floats | float = 0.0,
    slip_counts: Floats | float = 0.0,
    *,
    prevalence_counts: float = 0.0,
    most_steps: int = 5000,
    tolerance: float = 1e-9,
) -> SharedErrorFit:
    """Maximum a posteriori by EM, from the mean over groups of each group's shares of votes.

    groups: rater codes by group; raters not named are alone. pseudo_counts (classes, answers) are added
    to every A, slip_counts (answers, votes) to every B. Raises FailedWork if the likelihood has not settled.
    """
    k = len(votes.classes)
    made = complete_groups(groups, len(votes.raters))
    group_of = np.empty(len(votes.raters), dtype=np.int64)
    for g, group in enumerate(made):
        group_of[list(group)] = g
    several = [g for g, group in enumerate(made) if len(group) > 1]
    grouped = np.isin(group_of, several)
    # Raters who are alone share one sparse table; only groups of several need arrays of their own.
    alone = votes.take(~grouped[votes.rater])
    parts = {g: votes.take(group_of[votes.rater] == g) for g in several}
    slip = np.where(grouped[:, None, None], diagonal_counts(k, 0.9, 0.1 / (k - 1)), np.eye(k))
    voted = {g: part.counts().sum(1) > 0 for g, part in parts.items()}
    probs = alone.counts()
    spoke = probs.sum(1)
    for g, part in parts.items():
        probs = probs + np.nan_to_num(vote_shares(part.counts()))
        spoke = spoke + voted[g]
    probs = probs / np.maximum(spoke, 1)[:, None]
    probs[spoke == 0] = 1 / k
    prevalence = _normalise(probs.sum(0) + prevalence_counts)
    answer = np.tile(_normalise(diagonal_counts(k, 0.7, 0.3 / (k - 1))), (len(made), 1, 1))
    before = -np.inf
    for step in range(1, most_steps + 1):
        with np.errstate(divide="ignore"):
            log_slip, log_answer = np.log(slip), np.log(answer)
            log_prevalence = np.log(prevalence)
        # hidden[g][i, u] = log p(votes of the group | u); message[g][i, k] sums u out
        hidden = {g: p.spread(log_slip[p.rater, :, p.label]) for g, p in parts.items()}
        message = {g: logsumexp(h[:, None, :] + log_answer[g], axis=2) for g, h in hidden.items()}
        joint = log_prevalence + alone.spread(log_answer[group_of[alone.rater], :, alone.label])
        joint = sum(message.values(), start=joint)
        evidence = logsumexp(joint, axis=1)
        probs = np.exp(joint - evidence[:, None])
        now = float(evidence.sum()) + sum(
            _log_prior(c, x)
            for c, x in (
                (prevalence_counts, prevalence),
                (pseudo_counts, answer),
                (slip_counts, slip[grouped]),
            )
        )
        if abs(now - before) < tolerance * (1 + abs(now)):
            free = (k - 1) * (1 + k * len(made) + k * int(grouped.sum()))
            likelihood = float(evidence.sum())
            return SharedErrorFit(made, prevalence, answer, slip, probs, likelihood, free, step)
        before = now
        prevalence = _normalise(probs.sum(0) + prevalence_counts)
        counts = np.zeros((len(made), k, k))
        counts[group_of[~grouped]] = alone.confusion_counts(probs)[~grouped]
        slip = slip.copy()
        for g, part in parts.items():
            with np.errstate(invalid="ignore"):
                pair = joint[:, :, None] - message[g][:, :, None] + hidden[g][:, None, :]
                pair = np.nan_to_num(np.exp(pair + log_answer[g] - evidence[:, None, None]))
            counts[g] = (pair * voted[g][:, None, None]).sum(0)
            members = list(made[g])
            slip[members] = _normalise(part.confusion_counts(pair.sum(1))[members] + slip_counts)
        answer = _normalise(counts + pseudo_counts)
    raise FailedWork(
        f"shared_error_em: log likelihood still moves by {abs(now - before):.2g} after {most_steps} steps"
    )


def _log_prior(counts: Floats | float, probs: Floats) -> float:
    """Sum of counts x log probabilities, with 0 log 0 = 0."""
    spread = np.broadcast_to(np.asarray(counts, dtype=np.float64), probs.shape)
    used = spread > 0
    with np.errstate(divide="ignore"):
        return float((spread[used] * np.log(probs[used])).sum())
