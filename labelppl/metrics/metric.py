"""`Metric`: one score of predictions, and all that labelppl must know to use it.

Each file of this room declares its metrics as such records, `listed.METRICS` lists them, and
`evaluate`, `compare`, the report and the documentation read that list. A metric of your own is a record
too:

    from labelppl.metrics import Metric

    def f1(scored):
        hits = ((scored.probs[:, 1] >= 0.5) & (scored.labels == 1)).sum()
        called, positive = (scored.probs[:, 1] >= 0.5).sum(), (scored.labels == 1).sum()
        return 2 * hits / (called + positive)

    mine = Metric("f1", "F1", "harmonic mean of PPV and sensitivity at .5", "up",
                  needs=("labels", "two classes"), value=f1)

`evaluate(student, cases, metrics=[mine])` or `labelppl evaluate --metric mine.py:mine` adds it, with an
interval: where a metric brings no `replicates`, its value is computed again on resampled cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..arrays import Floats
from .intervals import PERCENTILE, Rule
from .scored import Need, Scored

MetricValue = Callable[[Scored], float | None]
Replicates = Callable[[Scored, Floats], Floats]
Remark = Callable[[Scored], str | None]


@dataclass(frozen=True)
class Metric:
    """One score of predictions.

    Args:
        key: Its name in `metrics.json`, in `compare.csv` and on the command line.
        name: Its name in tables that people read.
        meaning: One line that says what it is.
        better: `up` or `down`, or `none` where neither end is better.
        needs: What a case must have to be counted. Where no case has it, the metric is absent.
        value: From the cases that have what it needs to the number, or None where they do not
            define it.
        replicates: From those cases and weights `(replicates, cases)`, how often each case was
            drawn, to one value per replicate. None: `value` of the drawn cases.
        interval: How replicates become an interval; None: it has none, as a p-value has none.
        remark: What a reader must know about this value, or None.
        detail: It explains another metric and has no row of its own in tables.
        asked: It is computed only where it is asked for by its key.

    Examples:
        >>> import numpy as np
        >>> from labelppl.metrics import Metric, evaluate_probs
        >>> sure = Metric("sure", "Sure", "share of cases above .9", "none",
        ...               value=lambda scored: float((scored.probs.max(axis=1) > 0.9).mean()))
        >>> probs = np.array([[0.95, 0.05], [0.4, 0.6]])
        >>> evaluate_probs(probs, [0, 1], classes=["a", "b"], metrics=[sure], n_boot=0).sure
        0.5
    """

    key: str
    name: str
    meaning: str
    better: Literal["up", "down", "none"]
    value: MetricValue
    needs: tuple[Need, ...] = ()
    replicates: Replicates | None = None
    interval: Rule | None = PERCENTILE
    remark: Remark | None = None
    detail: bool = False
    asked: bool = False

    def replicate(self, scored: Scored, weights: Floats) -> Floats:
        """Return the metric (replicates,) of the cases counted by `weights` (replicates, cases)."""
        if self.replicates is not None:
            return self.replicates(scored, weights)
        return np.array([self._once(scored, row) for row in weights])

    def _once(self, scored: Scored, counts: Floats) -> float:
        rows = np.repeat(np.arange(len(scored)), counts.astype(np.int64))
        value = self.value(scored.take(rows))
        return np.nan if value is None else float(value)


def mean_metric(
    key: str,
    name: str,
    meaning: str,
    better: Literal["up", "down", "none"],
    per_case: Callable[[Scored], Floats],
    *,
    needs: tuple[Need, ...] = ("labels",),
    interval: Rule | None = PERCENTILE,
    detail: bool = False,
    asked: bool = False,
) -> Metric:
    """Return the metric that is the mean of `per_case`, a value for every case (cases,)."""
    return Metric(
        key,
        name,
        meaning,
        better,
        needs=needs,
        value=lambda scored: float(per_case(scored).mean()),
        replicates=lambda scored, weights: mean_of_drawn(per_case(scored), weights),
        interval=interval,
        detail=detail,
        asked=asked,
    )


def detail_metric(key: str, name: str, meaning: str, value: MetricValue) -> Metric:
    """Return the metric that explains another one: without an interval and without a row in tables."""
    return Metric(key, name, meaning, "none", value, needs=("labels",), interval=None, detail=True)


def mean_of_drawn(per_case: Floats, weights: Floats) -> Floats:
    """Return the mean (replicates,) of `per_case` (cases,) under `weights` (replicates, cases)."""
    return np.asarray((weights @ per_case) / weights.sum(axis=1))


def applying(metrics: Sequence[Metric], scored: Scored) -> list[Metric]:
    """Return the metrics that at least one case can be used for."""
    return [metric for metric in metrics if scored.member(metric.needs).any()]
