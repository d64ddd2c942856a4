"""From the predictions of all methods and repeats to rows, means, intervals and differences.

A mean is over repeats. Its 95 % interval draws repeats and groups of cases with replacement: the
same draw of groups serves every repeat and every method, so that the interval of a difference to
`hard` is paired over both. Calibration errors are biased upwards by noise, and resampling adds that
bias once more; their intervals follow the rule that each metric declares, as in `evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import Array, Floats, Ints
from ..metrics.bootstrap import group_weights
from ..metrics.evaluate_probs import evaluate_probs
from ..metrics.intervals import Estimate
from ..metrics.listed import METRICS, choose_metrics
from ..metrics.metric import Metric
from ..metrics.operating_point import OPERATING_POINT
from ..metrics.scored import Member, Scored, Settings
from ..seeds import stream
from ..softlabels import SoftLabels
from ..table import Cases, match_ids

NOT_COMPARED = ("ece_debiased", "accuracy_bayes_expected")
"""Metrics that describe one set of cases and say nothing about the difference of two methods."""

KEYS = (
    *(
        metric.key
        for metric in METRICS
        if not metric.detail
        and not metric.asked
        and metric not in OPERATING_POINT
        and metric.key not in NOT_COMPARED
    ),
    "hl_dof",
    "n",
)
"""The columns of compare.csv, after method and repeat, as far as they apply; `top<k>` is one more."""

BASELINE = "hard"


@dataclass(frozen=True, eq=False)
class Unseen:
    """The test cases of one repeat.

    labels: (cases,), -1 = unlabelled. groups: (cases,) int64, numbered over the whole table. soft
    (NaN rows where a case has none), p_true: (cases, classes), or None.
    """

    labels: Ints
    groups: Ints
    soft: Floats | None
    p_true: Floats | None


def unseen_of(cases: Cases, labels: SoftLabels | None, votes: Array | None) -> Unseen:
    """The test cases; what they are compared with is p(Y|Z), or the mean vote where there is no soft label."""
    test = cases.split == "test"
    groups = np.arange(len(cases))
    if cases.groups is not None:
        groups = pd.factorize(np.asarray(cases.groups).astype(str))[0]
    soft = np.full((int(test.sum()), len(cases.classes)), np.nan)
    if labels is not None:
        at = match_ids(cases.ids[test], labels.ids)
        soft = np.where((at >= 0)[:, None], labels.probs[at], np.nan)
    elif votes is not None:
        counts = np.asarray(votes, dtype=np.float64)[test]
        seen = counts.sum(1) > 0
        soft[seen] = counts[seen] / counts[seen].sum(1, keepdims=True)
    return Unseen(
        np.asarray(cases.labels[test], dtype=np.int64),
        np.asarray(groups[test], dtype=np.int64),
        None if np.isnan(soft).all() else soft,
        None if cases.p_true is None else np.asarray(cases.p_true[test], dtype=np.float64),
    )


def row_of(probs: Floats, tested: Unseen, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """The metrics of one method and repeat, by the keys that apply."""
    metrics = evaluate_probs(
        probs,
        tested.labels,
        classes=classes,
        soft=tested.soft,
        p_true=tested.p_true,
        n_boot=0,
        seed=seed,
    )
    values = {**metrics.values, "n": metrics.n}
    return {key: value for key, value in values.items() if key in KEYS or key.startswith("top")}


def columns_of(rows: pd.DataFrame) -> list[str]:
    """The metric keys that the rows hold, in the order of the list."""
    return [str(key) for key in rows if key not in ("method", "repeat", "n")]


def summarise(
    probs: Mapping[tuple[str, int], Floats],
    rows: pd.DataFrame,
    tested: Sequence[Unseen],
    n_boot: int,
    seed: int,
) -> pd.DataFrame:
    """One row per method and metric: mean, lo, hi, difference to hard with its lo and hi, repeats.

    probs: predictions (cases, classes) by method and repeat. Repeats that `hard` or the method did
    not finish are left out of the difference.
    """
    classes = len(next(iter(probs.values()))[0])
    known = {metric.key: metric for metric in choose_metrics(classes=classes)}
    columns = columns_of(rows)
    scored = {at: scored_of(p, tested[at[1]], seed) for at, p in probs.items()}
    metrics = [known[key] for key in columns]
    drawn = _replicates(scored, metrics, tested, n_boot, seed)
    values: dict[tuple[str, int], Any] = {
        (row["method"], row["repeat"]): row for row in rows.to_dict("records")
    }
    made: dict[str, list[int]] = {}
    for method, repeat in probs:
        made.setdefault(method, []).append(repeat)
    picks = stream(seed, "repeats").numpy().integers(0, len(tested), (n_boot, len(tested)))

    def mean(method: str, key: str, repeats: Sequence[int]) -> float:
        return float(np.mean([_number(values[method, r][key]) for r in repeats]))

    entries = []
    for method, repeats in made.items():
        shared = [r for r in repeats if r in made.get(BASELINE, [])]
        for key in columns:
            rule = known[key].interval
            spread = (method, repeats[0], key) in drawn
            point = mean(method, key, repeats)
            entry: dict[str, Any] = {"method": method, "metric": key, "mean": point}
            entry["repeats"] = len(repeats)
            if spread and rule is not None:
                draws = _pick(drawn, method, key, repeats, picks)
                parts = [part_of(known[key], scored[method, r]) for r in repeats]
                if np.isfinite(draws).any():
                    finite = draws[np.isfinite(draws)]
                    entry["lo"], entry["hi"] = rule.ends(Estimate(point, finite), parts)
            if method != BASELINE and shared:
                gap = mean(method, key, shared) - mean(BASELINE, key, shared)
                entry["difference"] = gap
                if spread and rule is not None:
                    draws = _pick(drawn, method, key, shared, picks)
                    draws = draws - _pick(drawn, BASELINE, key, shared, picks)
                    if np.isfinite(draws).any():
                        ends = rule.of_difference(gap, draws[np.isfinite(draws)])
                        entry["difference_lo"], entry["difference_hi"] = ends
            entries.append(entry)
    head = ["method", "metric", "mean", "lo", "hi", "difference", "difference_lo",
               "difference_hi", "repeats"]  # fmt: skip
    return pd.DataFrame(entries, columns=head)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _replicates(
    scored: Mapping[tuple[str, int], Scored],
    metrics: Sequence[Metric],
    tested: Sequence[Unseen],
    n_boot: int,
    seed: int,
) -> dict[tuple[str, int, str], Floats]:
    """Replicates (n_boot,) by method, repeat and metric, from one draw of groups."""
    if n_boot == 0:
        return {}
    parts: dict[tuple[str, int, str], list[Floats]] = {}
    everyone = np.arange(max(int(t.groups.max()) for t in tested) + 1)
    for weights in group_weights(everyone, n_boot, seed):
        for (method, repeat), cases in scored.items():
            case_weights = weights[:, tested[repeat].groups]
            for metric in metrics:
                if metric.interval is not None and cases.member(metric.needs).any():
                    values = replicates_of(metric, cases, case_weights)
                    parts.setdefault((method, repeat, metric.key), []).append(values)
    return {at: np.concatenate(some) for at, some in parts.items()}


def scored_of(probs: Floats, tested: Unseen, seed: int) -> Scored:
    """The predictions of one method and repeat with what they are compared with."""
    names = tuple(map(str, range(probs.shape[1])))
    return Scored(
        probs,
        tested.labels,
        tested.groups,
        names,
        soft=tested.soft,
        truth=tested.p_true,
        settings=Settings(seed=seed),
    )


def part_of(metric: Metric, cases: Scored) -> Scored:
    """The cases that a metric can use; parts of the same cases are made once."""
    member = cases.member(metric.needs)
    return cases if member.all() else cases.once(_Some(member.tobytes()))


@dataclass(frozen=True)
class _Some:
    """Takes the cases of a mask, given as bytes so that equal masks are equal."""

    mask: bytes

    def __call__(self, cases: Scored) -> Scored:
        return cases.take(np.frombuffer(self.mask, dtype=np.bool_))


def replicates_of(metric: Metric, cases: Scored, weights: Floats) -> Floats:
    """A metric's replicates (replicates,); NaN where a draw holds none of its cases."""
    member: Member = cases.member(metric.needs)
    kept = weights[:, member]
    some = kept.sum(axis=1) > 0
    values = np.full(len(kept), np.nan)
    if some.any():
        values[some] = metric.replicate(part_of(metric, cases), kept[some])
    return values


def _pick(
    drawn: Mapping[tuple[str, int, str], Floats],
    method: str,
    key: str,
    repeats: Sequence[int],
    picks: Ints,
) -> Floats:
    """Means over drawn repeats (n_boot,): row b of `picks` says which repeats draw b holds."""
    table = np.stack([drawn[method, r, key] for r in repeats], 1)
    chosen = picks % len(repeats)
    return np.asarray(np.take_along_axis(table, chosen[:, : len(repeats)], 1).mean(1))
