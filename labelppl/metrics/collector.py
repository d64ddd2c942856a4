"""Gathering metrics and bootstrapping them all over the same resamples.

A metric is added with the cases it is about and a function from their weights (replicates, cases)
to its replicates. One pass over the resamples then serves every metric, and two metrics of the
same cases are resampled together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from .bootstrap import Interval, group_weights, percentile_interval
from .metrics import MEANING

Replicator = Callable[[Floats], Floats]
ToInterval = Callable[[Floats], Interval]
Member = NDArray[np.bool_]


class Collector:
    """Collects values, intervals and notes for one set of cases in `groups` (cases,)."""

    def __init__(self, groups: Ints, n_boot: int, seed: int) -> None:
        self.groups, self.n_boot, self.seed = groups, n_boot, seed
        self.notes: list[str] = []
        self.values: dict[str, float | None] = {}
        self.intervals: dict[str, Interval] = {}
        self._waiting: dict[str, tuple[Member, Replicator, ToInterval]] = {}

    def add(
        self,
        key: str,
        value: float | None,
        member: Member | None = None,
        replicator: Replicator | None = None,
        interval: ToInterval = percentile_interval,
    ) -> None:
        """Record a metric; with a `replicator`, also how to get its interval.

        `member` (cases,) marks the cases that `replicator` is given the weights of.
        """
        self.values[key] = value
        if value is not None and member is not None and replicator is not None:
            self._waiting[key] = (member, replicator, interval)

    def add_mean(
        self,
        key: str,
        per_case: Floats,
        member: Member,
        interval: ToInterval = percentile_interval,
    ) -> None:
        """Record the mean of `per_case`, given for the cases of `member` only."""
        self.add(
            key,
            float(per_case.mean()),
            member,
            lambda weights: (weights @ per_case) / weights.sum(axis=1),
            interval,
        )

    def bootstrap(self) -> None:
        """Compute the intervals of everything added; says in `notes` where there is none."""
        if self.n_boot == 0 or not self._waiting:
            return
        if self.groups.max() == 0:
            self.notes.append("no intervals: all cases belong to one group, nothing to resample")
            return
        drawn: dict[str, list[Floats]] = {key: [] for key in self._waiting}
        for weights in group_weights(self.groups, self.n_boot, self.seed):
            for key, (member, replicator, _) in self._waiting.items():
                kept = weights if member.all() else weights[:, member]
                some = kept.sum(axis=1) > 0
                result = np.full(len(kept), np.nan)
                result[some] = replicator(kept[some])
                drawn[key].append(result)
        for key, (_, _, interval) in self._waiting.items():
            replicates = np.concatenate(drawn[key])
            known = np.isfinite(replicates)
            undefined = int((~known).sum())
            if undefined > 0.5 * self.n_boot:
                self.notes.append(f"{key}: no interval, most bootstrap samples do not define it")
                continue
            if undefined:
                self.notes.append(
                    f"{key}: {undefined} of {self.n_boot} bootstrap samples do not define it and "
                    "are left out of its interval"
                )
            lo, hi = self.intervals[key] = interval(replicates[known])
            if lo == hi:
                self.notes.append(
                    f"{key}: every bootstrap sample gives the same value; an interval without "
                    "width says nothing about new cases"
                )

    def ordered(self) -> tuple[dict[str, float | None], dict[str, Interval]]:
        """Return values and intervals in the order of `MEANING`."""
        order = [key for key in MEANING if key in self.values]
        return (
            {key: self.values[key] for key in order},
            {key: self.intervals[key] for key in order if key in self.intervals},
        )
