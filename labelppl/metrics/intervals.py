"""How replicates of a metric become its interval: one rule for each kind of metric.

A rule serves one set of cases (`evaluate`) and several (`compare`, a mean over repeats), and says how a
difference between two methods gets its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Floats
from .bootstrap import (
    Interval,
    error_interval,
    exact_interval,
    expanded_level,
    percentile_interval,
    reflected_interval,
    skewed_interval,
    statistic_interval,
    wilson_interval,
)
from .scored import Member, Scored


class Estimate(NamedTuple):
    """A metric's value, its replicates (replicates,), and what computes how skewed it is, None where nothing can."""

    value: float
    replicates: Floats
    skewness: Callable[[], float] | None = None


Ends = Callable[[Estimate, Sequence[Scored]], Interval]
Gap = Callable[[float, Floats], Interval]


@dataclass(frozen=True)
class Rule:
    """From a metric's value with its replicates, and the cases behind them, to an interval.

    `of_difference` does the same for the difference of two methods on the same cases. `alone` marks a
    rule that needs no replicates.
    """

    ends: Ends
    of_difference: Gap = lambda gap, replicates: percentile_interval(replicates)
    alone: bool = False


def percentile(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
    """Return quantiles of the replicates that so few groups, and so skewed an estimate, need."""
    groups = len(np.unique(np.concatenate([some.groups for some in scored])))
    if estimate.skewness is None:
        return percentile_interval(estimate.replicates, expanded_level(groups))
    return skewed_interval(estimate.replicates, estimate.skewness(), groups)


PERCENTILE = Rule(percentile)
"""Quantiles of the replicates: for means, recalls and AUC."""


def _statistic(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
    return statistic_interval(estimate.value, estimate.replicates)


STATISTIC = Rule(_statistic)
"""For a chi-square statistic: percentile, shifted by the bias of resampling."""


def share_of(counted: Callable[[Scored], Member] | None = None, *, wilson: bool = False) -> Rule:
    """Return the rule of a share of the cases that `counted` marks (None: of all).

    A share of exactly 0 or 1 gets the exact binomial interval over groups, since every replicate
    agrees and the bootstrap would claim certainty. `wilson`: Wilson's interval where every case is a
    group of its own.
    """

    def ends(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
        point = estimate.value
        members = [None if counted is None else counted(some) for some in scored]
        pairs = list(zip(scored, members, strict=True))
        if point in (0.0, 1.0):
            groups = np.concatenate([s.groups if m is None else s.groups[m] for s, m in pairs])
            trials = len(np.unique(groups))
            return exact_interval(trials if point else 0, trials)
        if wilson and len(pairs) == 1 and pairs[0][0].independent:
            trials = len(pairs[0][0]) if members[0] is None else int(members[0].sum())
            return wilson_interval(round(point * trials), trials)
        return percentile(estimate, scored)

    return Rule(ends)


def error_of(
    upper: Callable[[Scored], float],
    *,
    plug_in: Callable[[Scored], float] | None = None,
    union: bool = False,
) -> Rule:
    """Return the rule of a calibration error whose null band ends at `upper` (see `bootstrap`).

    `plug_in` is the error with its bias, where the metric itself is debiased. `union` joins the
    percentile interval.
    """

    def ends(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
        point, replicates = estimate.value, estimate.replicates
        limit = _mean(upper, scored)
        if plug_in is None:
            return error_interval(point, replicates, limit, union=union)
        biased = _mean(plug_in, scored)
        # The null band is that of the plug-in error: inside it, 0 cannot be rejected.
        reach = point if biased <= limit else 0.0
        return error_interval(point, replicates, reach, centre=biased, union=union)

    def of_difference(gap: float, replicates: Floats) -> Interval:
        lo, hi = reflected_interval(gap, replicates)
        if union:
            low, high = percentile_interval(replicates)
            lo, hi = min(lo, low), max(hi, high)
        return lo, hi

    return Rule(ends, of_difference)


def _mean(of: Callable[[Scored], Any], scored: Sequence[Scored]) -> float:
    return float(np.mean([of(some) for some in scored]))
