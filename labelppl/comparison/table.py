"""From the predictions of all methods and repeats to rows, means, intervals and differences.

A mean is over repeats. Its 95 % interval draws repeats and groups of cases with replacement: the
same draw of groups serves every repeat and every method, so that the interval of a difference to
`hard` is paired over both. Calibration errors are biased upwards by noise, and resampling adds that
bias once more, so their intervals are reflected about the estimate (basic bootstrap), which they
never exclude.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import Floats, Ints
from ..metrics.accuracy import correct_per_case
from ..metrics.auc import auc_replicates
from ..metrics.bootstrap import group_weights, percentile_interval, reflected_interval
from ..metrics.brier import brier_per_case
from ..metrics.collector import Member
from ..metrics.ece import ece_replicates
from ..metrics.evaluate_probs import evaluate_probs
from ..metrics.kl import EPS, kl_per_case
from ..metrics.macro_accuracy import macro_accuracy_replicates
from ..metrics.nll import nll_per_case
from ..metrics.pairs import default_quantity, select
from ..metrics.smece import smece_replicates

KEYS = (
    "accuracy", "macro_accuracy", "auc", "nll", "brier", "ece", "smece", "hl_statistic", "hl_dof",
    "hl_p", "kl", "kl_true", "accuracy_bayes", "n",
)  # fmt: skip
"""The columns of compare.csv, after method and repeat."""

REFLECTED = ("ece", "smece")
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
    found = {**metrics.values, "n": metrics.n}
    return {key: found[key] for key in KEYS if key in found}


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
    drawn = _replicates(probs, tested, n_boot, seed)
    values: dict[tuple[str, int], Any] = {
        (row["method"], row["repeat"]): row for row in rows.to_dict("records")
    }
    made: dict[str, list[int]] = {}
    for method, repeat in probs:
        made.setdefault(method, []).append(repeat)
    picks = np.random.default_rng([seed, 1]).integers(0, len(tested), (n_boot, len(tested)))

    def mean(method: str, key: str, repeats: Sequence[int]) -> float:
        return float(np.mean([_number(values[method, r][key]) for r in repeats]))

    found = []
    for method, repeats in made.items():
        shared = [r for r in repeats if r in made.get(BASELINE, [])]
        for key in (k for k in KEYS[:-1] if k in rows):
            spread = (method, repeats[0], key) in drawn
            point = mean(method, key, repeats)
            entry: dict[str, Any] = {"method": method, "metric": key, "mean": point}
            entry["repeats"] = len(repeats)
            if spread:
                draws = _pick(drawn, method, key, repeats, picks)
                entry["lo"], entry["hi"] = _interval(key, point, draws)
            if method != BASELINE and shared:
                gap = mean(method, key, shared) - mean(BASELINE, key, shared)
                entry["difference"] = gap
                if spread:
                    draws = _pick(drawn, method, key, shared, picks)
                    draws = draws - _pick(drawn, BASELINE, key, shared, picks)
                    ends = _interval(key, gap, draws, bounded=False)
                    entry["difference_lo"], entry["difference_hi"] = ends
            found.append(entry)
    columns = ["method", "metric", "mean", "lo", "hi", "difference", "difference_lo",
               "difference_hi", "repeats"]  # fmt: skip
    return pd.DataFrame(found, columns=columns)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _replicates(
    probs: Mapping[tuple[str, int], Floats], tested: Sequence[Unseen], n_boot: int, seed: int
) -> dict[tuple[str, int, str], Floats]:
    """Replicates (n_boot,) by method, repeat and metric, from one draw of groups."""
    if n_boot == 0:
        return {}
    parts: dict[tuple[str, int, str], list[Floats]] = {}
    everyone = np.arange(max(int(t.groups.max()) for t in tested) + 1)
    for weights in group_weights(everyone, n_boot, seed):
        for (method, repeat), p in probs.items():
            case_weights = weights[:, tested[repeat].groups]
            for key, replicate in replicators(p, tested[repeat]).items():
                parts.setdefault((method, repeat, key), []).append(replicate(case_weights))
    return {at: np.concatenate(some) for at, some in parts.items()}


def replicators(probs: Floats, tested: Unseen) -> dict[str, Callable[[Floats], Floats]]:
    """By metric, a function of case weights (replicates, cases) to its values (replicates,)."""
    seen = tested.labels >= 0
    p, y = probs[seen], tested.labels[seen]
    target = np.eye(p.shape[1])[y]
    forecast, outcome, _ = select(p, target, default_quantity(p.shape[1]))
    found = {
        "accuracy": _mean(correct_per_case(p, y), seen),
        "macro_accuracy": _where(lambda w: macro_accuracy_replicates(p, y, w), seen),
        "auc": _where(lambda w: auc_replicates(p, y, w), seen),
        "nll": _mean(nll_per_case(p, y), seen),
        "brier": _mean(brier_per_case(p, target), seen),
        "ece": _where(lambda w: ece_replicates(forecast, outcome, w), seen),
        "smece": _where(lambda w: smece_replicates(forecast, outcome, w), seen),
    }
    if tested.soft is not None:
        given: Member = np.asarray(~np.isnan(tested.soft).all(axis=1))
        found["kl"] = _mean(kl_per_case(tested.soft[given], probs[given], EPS), given)
    if tested.p_true is not None:
        every = np.ones(len(probs), dtype=bool)
        found["kl_true"] = _mean(kl_per_case(tested.p_true, probs, EPS), every)
        right = correct_per_case(tested.p_true[seen], y)
        found["accuracy_bayes"] = _mean(right, seen)
    return found


def _mean(per_case: Floats, member: Member) -> Callable[[Floats], Floats]:
    return _where(lambda weights: (weights @ per_case) / weights.sum(axis=1), member)


def _where(replicate: Callable[[Floats], Floats], member: np.ndarray) -> Callable[[Floats], Floats]:
    """The replicates of the member cases; NaN where a draw holds none of them."""

    def values(weights: Floats) -> Floats:
        kept = weights[:, member]
        some = kept.sum(axis=1) > 0
        result = np.full(len(kept), np.nan)
        result[some] = replicate(kept[some])
        return result

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


def _interval(
    key: str, point: float, replicates: Floats, bounded: bool = True
) -> tuple[float, float]:
    if not np.isfinite(replicates).any():
        return np.nan, np.nan
    if key not in REFLECTED:
        return percentile_interval(replicates)
    lo, hi = reflected_interval(point, replicates)
    return (max(lo, 0.0), hi) if bounded else (lo, hi)
