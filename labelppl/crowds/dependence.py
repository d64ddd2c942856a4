"""Do raters share their errors? A check of Dawid and Skene's independence, and the groups that break it.

Given the class, independent raters agree as often as their confusion matrices make them. Raters who copy agree
more. The check compares trees of raters (`shared_error`): starting from all raters apart, the two groups that
agree most beyond chance (mean Cohen's kappa, at least `least_kappa`) are joined one after the other, and the step
with the lowest BIC is kept; all steps are tried, because joining two of five duplicates need not help. The whole
likelihood decides, not the agreement alone: very good raters also agree, but then the others agree with each other
exactly as much as that class explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats, Ints
from .confusion_em import diagonal_counts
from .shared_error_em import SharedErrorFit, shared_error_em
from .vote_table import VoteTable


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


def kappa(votes: VoteTable, least_common: int = 30) -> Floats:
    """Cohen's kappa of every two raters (raters, raters); NaN below `least_common` items in common."""
    r, k = len(votes.raters), len(votes.classes)
    table: Ints = np.full((len(votes.items), r), -1, dtype=np.int64)
    table[votes.item, votes.rater] = votes.label
    given = (table >= 0).astype(np.float64)
    common = given.T @ given
    agree, chance = np.zeros((r, r)), np.zeros((r, r))
    with np.errstate(invalid="ignore", divide="ignore"):
        for c in range(k):
            said = (table == c).astype(np.float64)
            agree += said.T @ said
            share = (said.T @ given) / common
            chance += share * share.T
        out = (agree / common - chance) / (1 - chance)
    out[common < least_common] = np.nan
    np.fill_diagonal(out, np.nan)
    return out


def dependence(votes: VoteTable, *, least_kappa: float = 0.2, least_common: int = 30) -> Dependence:
    """Look for groups of raters with shared errors in `votes`.

    Pairs of raters with fewer than `least_common` items in common are never joined.
    """
    k = len(votes.classes)
    between = kappa(votes, least_common)
    prior, slips = diagonal_counts(k, 2.0, 1.0), diagonal_counts(k, 4.0, 0.5)

    def fitted(groups: list[list[int]]) -> SharedErrorFit:
        several = [g for g in groups if len(g) > 1]
        return shared_error_em(votes, several, prior, slips, prevalence_counts=1.0, tolerance=1e-8)

    groups = [[j] for j in range(len(votes.raters))]
    independent = best = fitted(groups)
    while len(groups) > 1:
        pair = _closest(groups, between, least_kappa)
        if pair is None:
            break
        a, b = pair
        groups = [g for i, g in enumerate(groups) if i not in pair] + [groups[a] + groups[b]]
        now = fitted(groups)
        best = now if now.bic < best.bic else best
    found = tuple(tuple(sorted(g)) for g in best.groups if len(g) > 1)
    return Dependence(found, independent.bic - best.bic, independent, best, votes.raters)


def _closest(
    groups: list[list[int]], between: Floats, least_kappa: float
) -> tuple[int, int] | None:
    """The two groups with the highest mean kappa between their members, above `least_kappa`."""
    best, at = least_kappa, None
    for i, first in enumerate(groups):
        for j in range(i):
            block = between[np.ix_(first, groups[j])]
            mean = float(np.nanmean(block)) if not np.isnan(block).all() else 0.0
            if mean > best:
                best, at = mean, (j, i)
    return at
