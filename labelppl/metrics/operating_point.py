"""Sensitivity, specificity, predictive values and likelihood ratios at an operating point.

    sens = TP/P   spec = TN/N   LR⁺ = sens/(1 − spec)   LR⁻ = (1 − sens)/spec
    PPV(π) = σ(logit π + ln LR⁺)      1 − NPV(π) = σ(logit π + ln LR⁻)

π is the prevalence where the student is used; the share of positive cases in a collected sample is not
what a clinic sees. Intervals: Wilson for independent cases and the log method for likelihood ratios,
SE ln LR⁺ = √(1/TP − 1/P + 1/FP − 1/N), mapped to PPV and NPV; with groups the group bootstrap; exact
binomial over groups where a share is 0 or 1. A likelihood ratio with an empty cell is null, with a
one-sided bound in the notes: no half case is added.
Source: Altman & Bland 1994; Simel, Samsa & Matchar 1991 (log method).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from ..arrays import Floats
from .bootstrap import LEVEL, Interval, each_once, exact_interval
from .intervals import Estimate, Rule, percentile, share_of
from .metric import Metric
from .scored import Member, Need, Scored
from .threshold import OperatingPoint

NEEDS: tuple[Need, ...] = ("labels", "operating point")


class Counts(NamedTuple):
    """True and false positives and negatives, each a number or (replicates,)."""

    tp: Floats
    fn: Floats
    tn: Floats
    fp: Floats

    @property
    def sensitivity(self) -> Floats:
        """TP/P."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Floats:
        """TN/N."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def lr_pos(self) -> Floats:
        """LR⁺; NaN where it has an empty cell."""
        empty = (self.tp == 0) | (self.fp == 0)
        return np.where(empty, np.nan, _ratio(self.sensitivity, 1 - self.specificity))

    @property
    def lr_neg(self) -> Floats:
        """LR⁻; NaN where it has an empty cell."""
        empty = (self.fn == 0) | (self.tn == 0)
        return np.where(empty, np.nan, _ratio(1 - self.sensitivity, self.specificity))

    def ppv(self, prevalence: float | Floats) -> Floats:
        """PPV at `prevalence`; NaN where nobody is called positive."""
        hits = prevalence * self.sensitivity
        return _ratio(hits, hits + (1 - prevalence) * (1 - self.specificity))

    def npv(self, prevalence: float | Floats) -> Floats:
        """NPV at `prevalence`; NaN where nobody is called negative."""
        well = (1 - prevalence) * self.specificity
        return _ratio(well, well + prevalence * (1 - self.sensitivity))


def _ratio(over: Floats, under: Floats) -> Floats:
    top, bottom = np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)


def log_ratio_interval(
    ratio: float, hit: float, of_hit: float, miss: float, of_miss: float
) -> Interval:
    """Return the interval of a likelihood ratio (hit/of_hit) / (miss/of_miss) by the log method."""
    spread = np.sqrt(1 / hit - 1 / of_hit + 1 / miss - 1 / of_miss)
    reach = norm.ppf((1 + LEVEL) / 2) * spread
    return float(ratio * np.exp(-reach)), float(ratio * np.exp(reach))


def _point(scored: Scored) -> OperatingPoint:
    point = scored.settings.point
    assert point is not None
    return point


def _positive(scored: Scored) -> Member:
    return np.asarray(scored.labels == _point(scored).positive)


def _called(scored: Scored) -> Member:
    point = _point(scored)
    return np.asarray(scored.probs[:, point.positive] >= point.threshold)


def _counts(scored: Scored, weights: Floats) -> Counts:
    called, positive = _called(scored), _positive(scored)
    cells = (called & positive, ~called & positive, ~called & ~positive, called & ~positive)
    return Counts(*(weights @ cell.astype(np.float64) for cell in cells))


def _plain(scored: Scored) -> Counts:
    return Counts(*(cell.squeeze() for cell in _counts(scored, each_once(len(scored)))))


def _prevalence(scored: Scored, weights: Floats) -> Floats | float:
    """The stated prevalence, or that of the cases themselves (replicates,)."""
    stated = _point(scored).prevalence
    if stated is not None:
        return stated
    return np.asarray((weights @ _positive(scored)) / weights.sum(axis=1))


def _log_rule(side: str) -> Rule:
    """The log method for one set of independent cases, else the bootstrap; `side` is pos or neg."""

    def ends(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
        if len(scored) > 1 or not scored[0].independent:
            return percentile(estimate, scored)
        return _likelihood_ends(_plain(scored[0]), estimate.value, side)

    return Rule(ends)


def _likelihood_ends(cells: Counts, ratio: float, side: str) -> Interval:
    hit, miss = (cells.tp, cells.fp) if side == "pos" else (cells.fn, cells.tn)
    of_hit, of_miss = float(cells.tp + cells.fn), float(cells.tn + cells.fp)
    return log_ratio_interval(ratio, float(hit), of_hit, float(miss), of_miss)


def _mapped_rule(side: str) -> Rule:
    """PPV and NPV: the interval of the likelihood ratio, mapped by the prevalence."""

    def ends(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
        point, one = estimate.value, scored[0]
        cells = _plain(one)
        ratio = float(cells.lr_pos if side == "pos" else cells.lr_neg)
        if len(scored) > 1 or not one.independent or not np.isfinite(ratio):
            if point in (0.0, 1.0):
                called = _called(one) if side == "pos" else ~_called(one)
                trials = one.group_count(called)
                return exact_interval(trials if point else 0, trials)
            return percentile(estimate, scored)
        lo, hi = _likelihood_ends(cells, ratio, side)
        odds = logit(_prevalence(one, each_once(len(one))))
        low, high = (float(np.squeeze(expit(odds + np.log(end)))) for end in (lo, hi))
        return (low, high) if side == "pos" else (1 - high, 1 - low)

    return Rule(ends)


def _unbounded(side: str) -> Callable[[Scored], str | None]:
    """Say in words what an empty cell leaves of a likelihood ratio."""

    def remark(scored: Scored) -> str | None:
        cells, positive = _plain(scored), _positive(scored)
        ratio = cells.lr_pos if side == "pos" else cells.lr_neg
        if np.isfinite(ratio) or not positive.any() or positive.all():
            return None
        share = scored.group_count(positive), scored.group_count(~positive)
        if side == "pos" and cells.fp == 0 and cells.tp > 0:
            rare = exact_interval(0, share[1])[1]
            least = float(cells.sensitivity) / rare
            return (
                f"lr_pos is null: no false alarm; with 97.5 % confidence it is at least {least:.3g}"
            )
        if side == "neg" and cells.fn == 0 and cells.tn > 0:
            rare = exact_interval(0, share[0])[1]
            most = rare / float(cells.specificity)
            return f"lr_neg is null: no case was missed; with 97.5 % confidence it is at most {most:.3g}"
        return f"lr_{side} is null: a cell of the table of calls against labels is empty"

    return remark


def _listed(
    key: str,
    name: str,
    meaning: str,
    of: Callable[[Counts, Scored, Floats], Floats],
    rule: Rule,
    better: str = "up",
    remark: Callable[[Scored], str | None] | None = None,
) -> Metric:
    def replicates(scored: Scored, weights: Floats) -> Floats:
        return of(_counts(scored, weights), scored, weights)

    def value(scored: Scored) -> float | None:
        number = float(replicates(scored, each_once(len(scored))).item())
        return number if np.isfinite(number) else None

    return Metric(
        key, name, meaning, "up" if better == "up" else "down",
        needs=NEEDS, value=value, replicates=replicates, interval=rule, remark=remark,
    )  # fmt: skip


OPERATING_POINT = (
    _listed(
        "sensitivity",
        "Sensitivity",
        "share of the positive cases that are called positive at the operating point",
        lambda counts, scored, weights: counts.sensitivity,
        share_of(_positive, wilson=True),
    ),
    _listed(
        "specificity",
        "Specificity",
        "share of the negative cases that are called negative at the operating point",
        lambda counts, scored, weights: counts.specificity,
        share_of(lambda scored: ~_positive(scored), wilson=True),
    ),
    _listed(
        "ppv",
        "Positive predictive value",
        "share of the called cases that are positive, at the prevalence stated with the operating point",
        lambda counts, scored, weights: counts.ppv(_prevalence(scored, weights)),
        _mapped_rule("pos"),
    ),
    _listed(
        "npv",
        "Negative predictive value",
        "share of the cases not called that are negative, at the same prevalence",
        lambda counts, scored, weights: counts.npv(_prevalence(scored, weights)),
        _mapped_rule("neg"),
    ),
    _listed(
        "lr_pos",
        "Likelihood ratio of a call",
        "how many times more often a positive case is called than a negative one",
        lambda counts, scored, weights: counts.lr_pos,
        _log_rule("pos"),
        remark=_unbounded("pos"),
    ),
    _listed(
        "lr_neg",
        "Likelihood ratio of no call",
        "how many times more often a positive case is passed over than a negative one",
        lambda counts, scored, weights: counts.lr_neg,
        _log_rule("neg"),
        better="down",
        remark=_unbounded("neg"),
    ),
)
