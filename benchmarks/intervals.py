"""Do the 95 % intervals of the metrics cover, and does Hosmer–Lemeshow keep its size?

    python benchmarks/intervals.py --sets 1000 --cases 60 183 1500      coverage
    python benchmarks/intervals.py --size --sets 1500                   size of the tests

Coverage: test sets are drawn from a population whose true p(Y|X) is known, z ~ N(0, 1.5²), p = σ(z), and
predicted by a student that is somewhat overconfident and somewhat wrong, q = σ(1.3 z + .5 ε). The true
value of a metric is that of 400,000 cases; of ECE, smECE and Hosmer–Lemeshow that of the estimate's own
target, see `truths`. Size: calibrated forecasts of K classes, the share of sets with p <= .05.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import binomtest

from labelppl.metrics import OperatingPoint, evaluate_probs
from labelppl.metrics.hosmer_lemeshow import hosmer_lemeshow
from labelppl.metrics.scored import Scored
from labelppl.metrics.verdict import SMECE_P

POINT = OperatingPoint(1, 0.5, "threshold=0.5", prevalence=0.1)
POPULATION = 400_000
KEYS = (
    "accuracy", "macro_accuracy", "auc", "nll", "brier", "ece", "ece_debiased", "smece", "aurc",
    "sensitivity", "specificity", "ppv", "npv", "lr_pos", "lr_neg", "kl", "kl_true", "soft_accuracy",
    "soft_auc", "soft_ap",
)  # fmt: skip
ONE_SIDED = ("ece", "ece_debiased", "smece", "kl", "kl_true")
"""Metrics with a bound at their best value."""


def drawn(rng: np.random.Generator, cases: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Student's and true probabilities (cases, 2) and labels (cases,)."""
    z = 1.5 * rng.standard_normal(cases)
    p, q = expit(z), expit(1.3 * z + 0.5 * rng.standard_normal(cases))
    return (
        np.column_stack([1 - q, q]),
        np.column_stack([1 - p, p]),
        (rng.random(cases) < p).astype(int),
    )


def truths(population: int = POPULATION) -> dict[str, float]:
    """The population's values; with this many cases the noise of ECE and smECE is gone."""
    q, p, y = drawn(np.random.default_rng(1), population)
    part = slice(0, population // 4)
    values = dict(
        evaluate_probs(
            q[part],
            y[part],
            classes=["a", "b"],
            soft=p[part],
            p_true=p[part],
            point=POINT,
            n_boot=0,
        ).values
    )
    return {key: float(values[key]) for key in KEYS}  # type: ignore[arg-type]


def coverage(sets: int, cases: int, n_boot: int, truth: dict[str, float]) -> list[str]:
    """One row per metric: coverage with its Wilson interval, misses below and above, mean width."""
    below = dict.fromkeys(KEYS, 0)
    above = dict.fromkeys(KEYS, 0)
    known = dict.fromkeys(KEYS, 0)
    width = dict.fromkeys(KEYS, 0.0)
    for number in range(sets):
        q, p, y = drawn(np.random.default_rng([cases, number]), cases)
        metrics = evaluate_probs(
            q, y, classes=["a", "b"], soft=p, p_true=p, point=POINT, n_boot=n_boot, seed=number
        )
        for key in KEYS:
            if key in metrics.intervals:
                lo, hi = metrics.intervals[key]
                known[key] += 1
                below[key] += truth[key] < lo
                above[key] += truth[key] > hi
                width[key] += hi - lo
    rows = []
    for key in KEYS:
        hits = known[key] - below[key] - above[key]
        ends = binomtest(hits, known[key]).proportion_ci(method="wilson")
        mark = " (bounded)" if key in ONE_SIDED else ""
        rows.append(
            f"| {key}{mark} | {cases} | {known[key]} | {hits / known[key]:.3f} | "
            f"{ends.low:.3f}–{ends.high:.3f} | {below[key] / known[key]:.3f} | "
            f"{above[key] / known[key]:.3f} | {width[key] / known[key]:.3f} |"
        )
    return rows


def size(sets: int, cases: int, classes: int) -> str:
    """The share of calibrated sets that each test rejects at .05."""
    rejected = smooth = 0
    for number in range(sets):
        rng = np.random.default_rng([cases, classes, number])
        p = softmax(1.5 * rng.standard_normal((cases, classes)), axis=1)
        y = np.minimum((rng.random(cases)[:, None] > p.cumsum(1)).sum(1), classes - 1)
        rejected += hosmer_lemeshow(p, y, seed=number).p_value <= 0.05
        names = tuple(map(str, range(classes)))
        if number < sets // 3:
            value = SMECE_P.value(Scored(p, y, np.arange(cases), names))
            smooth += value is not None and value <= 0.05
    ends = binomtest(rejected, sets).proportion_ci(method="wilson")
    return (
        f"| {classes} | {cases} | {rejected / sets:.4f} | {ends.low:.4f}–{ends.high:.4f} | "
        f"{smooth / max(1, sets // 3):.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--cases", type=int, nargs="*", default=[60, 183, 1500])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--size", action="store_true", help="size of the calibration tests instead")
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 3, 5])
    parser.add_argument(
        "--quick", action="store_true", help="a few small sets, to see that it runs"
    )
    chosen = parser.parse_args()
    sets = 6 if chosen.quick else chosen.sets
    cases = [60] if chosen.quick else chosen.cases
    began = time.perf_counter()
    if chosen.size:
        print("| classes | cases | HL rejects at .05 | 95 % interval | smECE's p rejects |")
        print("|---|---|---|---|---|")
        for count in chosen.classes:
            for n in cases:
                print(size(sets, n, count), flush=True)
    else:
        truth = truths(8000 if chosen.quick else POPULATION)
        print(
            "| metric | cases | sets | coverage | 95 % interval | truth below | truth above | width |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for n in cases:
            for row in coverage(sets, n, 50 if chosen.quick else chosen.replicates, truth):
                print(row, flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
