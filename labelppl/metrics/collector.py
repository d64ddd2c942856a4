"""Measuring many metrics and bootstrapping them all over the same resamples.

One pass over the resamples serves every metric, and two metrics of the same cases are resampled
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..arrays import Floats
from .bootstrap import Interval, acceleration, group_weights, leave_out_weights
from .intervals import Estimate
from .metric import Metric
from .scored import Member, Scored

MOST_UNDEFINED = 0.5
"""A metric that more than this share of the resamples do not define has no interval."""


class Collector:
    """Values, intervals and notes of metrics on one set of cases."""

    def __init__(self, scored: Scored) -> None:
        self.scored = scored
        self.notes: list[str] = []
        self.values: dict[str, float | None] = {}
        self.intervals: dict[str, Interval] = {}
        self._parts: dict[bytes, Scored] = {}
        self._waiting: list[tuple[Metric, Member, Scored]] = []

    def part(self, member: Member) -> Scored:
        """Return the cases of `member` (cases,); metrics of the same cases share one part."""
        key = member.tobytes()
        if key not in self._parts:
            self._parts[key] = self.scored if member.all() else self.scored.take(member)
        return self._parts[key]

    def measure(self, metrics: Sequence[Metric]) -> None:
        """Record the value of every metric that has cases."""
        for metric in metrics:
            member = self.scored.member(metric.needs)
            if not member.any():
                continue
            part = self.part(member)
            value = metric.value(part)
            self.values[metric.key] = None if value is None else float(value)
            remark = metric.remark(part) if metric.remark is not None else None
            if remark is not None:
                self.notes.append(remark)
            if value is not None and metric.interval is not None:
                self._waiting.append((metric, member, part))

    def bootstrap(self, n_boot: int, seed: int) -> None:
        """Compute the intervals of everything measured; says in `notes` where there is none."""
        if n_boot == 0 or not self._waiting:
            return
        if self.scored.group_count() == 1:
            self.notes.append("no intervals: all cases belong to one group, nothing to resample")
            return
        resampled = [
            entry for entry in self._waiting if entry[0].interval and not entry[0].interval.alone
        ]
        drawn: dict[str, list[Floats]] = {metric.key: [] for metric, _, _ in resampled}
        for weights in group_weights(self.scored.groups, n_boot, seed):
            for metric, member, part in resampled:
                kept = weights if member.all() else weights[:, member]
                some = kept.sum(axis=1) > 0
                result = np.full(len(kept), np.nan)
                if some.any():
                    result[some] = metric.replicate(part, kept[some])
                drawn[metric.key].append(result)
        for metric, _, part in self._waiting:
            replicates = np.concatenate(drawn.get(metric.key, [np.zeros(1)]))
            self._interval(metric, part, replicates)

    def _interval(self, metric: Metric, part: Scored, replicates: Floats) -> None:
        rule, value = metric.interval, self.values[metric.key]
        assert rule is not None
        assert value is not None
        known = np.isfinite(replicates)
        undefined = int((~known).sum())
        if undefined > MOST_UNDEFINED * len(replicates):
            self.notes.append(f"{metric.key}: no interval, most bootstrap samples do not define it")
            return
        if undefined:
            self.notes.append(
                f"{metric.key}: {undefined} of {len(replicates)} bootstrap samples do not define it "
                "and are left out of its interval"
            )
        lo, hi = self.intervals[metric.key] = rule.ends(
            Estimate(value, replicates[known], partial(skewness_of, metric, part)), [part]
        )
        if lo == hi:
            self.notes.append(
                f"{metric.key}: every bootstrap sample gives the same value; an interval without "
                "width says nothing about new cases"
            )


def skewness_of(metric: Metric, part: Scored) -> float:
    """Return how skewed a metric of these cases is, see `acceleration`."""
    codes = np.unique(part.groups, return_inverse=True)[1]
    if codes.max() == 0:
        return 0.0
    return acceleration(metric.replicate(part, leave_out_weights(codes)))
