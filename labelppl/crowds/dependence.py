"""Do raters share their errors? A check of Dawid and Skene's independence, and the groups that break it.

Given the class, independent raters agree as often as their confusion matrices make them. Raters who copy agree
more. The check compares trees of raters (`shared_error`): starting from all raters apart, the two groups that
agree most beyond chance (mean Cohen's kappa, more than `least_kappa`) are joined one after the other, and the step
with the lowest BIC is kept. Joining two of five duplicates need not help, so `PATIENCE` joins may pass without gain. Only
pairs of raters who voted on a common item are ever held, however many raters there are. The whole likelihood decides, not the agreement alone: very good raters also agree, but then the others agree with each other
exactly as much as that class explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, triu

from ..arrays import Floats, Ints
from .confusion_em import diagonal_counts
from .shared_error_em import SharedErrorFit, shared_error_em
from .vote_table import VoteTable

#: Items that two raters must both have voted on: below, kappa has a standard error of .2 and more.
LEAST_COMMON = 30
#: Kappa below which two raters are never joined; Landis and Koch (Biometrics 33, 1977) call up to .2 slight.
LEAST_KAPPA = 0.2
#: Joins in a row that may leave the BIC where it was; two of eleven duplicates need nine more before all are one.
PATIENCE = 10


@dataclass(frozen=True)
class Dependence:
    """groups: rater codes of the groups of two or more found to share errors; empty when there is none.

    bic_gain: by how much the groups lower the BIC against independent raters (above 10 is decisive).
    independent, grouped: the two fits. raters: names for `message`.
    """

    groups: tuple[tuple[int, ...], ...]
    bic_gain: float
    independent: SharedErrorFit
    grouped: SharedErrorFit
    raters: tuple[str, ...]

    @property
    def message(self) -> str:
        """What was found, in a sentence, with the mend."""
        if not self.groups:
            return "no dependence between raters found"
        named = "; ".join(", ".join(self.raters[j] for j in group) for group in self.groups)
        return (
            f"these raters repeat each other's errors and would be counted several times: {named} "
            f"(BIC lower by {self.bic_gain:.0f}); give groups= to the votes family, or keep one of each group"
        )


@dataclass(frozen=True)
class Agreement:
    """Cohen's kappa of pairs of raters: first, second (pairs,) codes, first < second; kappa (pairs,)."""

    first: Ints
    second: Ints
    kappa: Floats


def agreement(votes: VoteTable, least_common: int = LEAST_COMMON) -> Agreement:
    """Cohen's kappa of every two raters who both voted on at least ``least_common`` items.

    Only pairs who voted on a common item are touched: products of sparse tables (items, raters).
    """
    size = len(votes.items), len(votes.raters)
    voted = csr_array((np.ones(len(votes)), (votes.item, votes.rater)), shape=size)
    common = triu(voted.T @ voted, 1).tocoo()
    kept = common.data >= least_common
    first, second, shared = common.row[kept], common.col[kept], common.data[kept]
    agree, chance = np.zeros(len(first)), np.zeros(len(first))
    for k in range(len(votes.classes)):
        one = votes.label == k
        said = csr_array((np.ones(one.sum()), (votes.item[one], votes.rater[one])), shape=size)
        together, alone = (said.T @ said).tocsr(), (said.T @ voted).tocsr()
        agree += together[first, second]
        chance += alone[first, second] * alone[second, first] / shared**2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = (agree / shared - chance) / (1 - chance)
    return Agreement(first.astype(np.int64), second.astype(np.int64), kappa)


def dependence(
    votes: VoteTable, *, least_kappa: float = LEAST_KAPPA, least_common: int = LEAST_COMMON
) -> Dependence:
    """Look for groups of raters with shared errors in `votes`.

    Pairs of raters with fewer than `least_common` items in common are never joined.
    """
    k = len(votes.classes)
    pairs = agreement(votes, least_common)
    prior, slips = diagonal_counts(k, 2.0, 1.0), diagonal_counts(k, 4.0, 0.5)
    group = np.arange(len(votes.raters))

    def fit() -> SharedErrorFit:
        names, sizes = np.unique(group, return_counts=True)
        several = [np.flatnonzero(group == g).tolist() for g in names[sizes > 1]]
        return shared_error_em(votes, several, prior, slips, prevalence_counts=1.0, tolerance=1e-8)

    independent = best = fit()
    waited = 0
    while waited < PATIENCE:
        closest = _closest(group, pairs, least_kappa)
        if closest is None:
            break
        group[group == closest[1]] = closest[0]
        joined = fit()
        waited = 0 if joined.bic < best.bic else waited + 1
        best = joined if joined.bic < best.bic else best
    groups = tuple(tuple(sorted(g)) for g in best.groups if len(g) > 1)
    return Dependence(groups, independent.bic - best.bic, independent, best, votes.raters)


def _closest(group: Ints, pairs: Agreement, least_kappa: float) -> tuple[int, int] | None:
    """The two groups with the highest mean kappa between their members, above `least_kappa`."""
    one, two = group[pairs.first], group[pairs.second]
    apart = (one != two) & ~np.isnan(pairs.kappa)
    if not apart.any():
        return None
    low, high = np.minimum(one, two)[apart], np.maximum(one, two)[apart]
    keys, which = np.unique(low * len(group) + high, return_inverse=True)
    mean = np.bincount(which, pairs.kappa[apart]) / np.bincount(which)
    best = int(mean.argmax())
    if mean[best] <= least_kappa:
        return None
    return int(keys[best]) // len(group), int(keys[best]) % len(group)
