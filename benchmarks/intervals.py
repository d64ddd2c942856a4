"""Do the 95 % intervals of the metrics cover, and does Hosmer–Lemeshow keep its size?

    python benchmarks/intervals.py --sets 1000 --cases 60 183 1500      coverage
    python benchmarks/intervals.py --size --sets 1500                   size of the tests

Coverage: test sets are drawn from a population whose true p(Y|X) is known, z ~ N(0, 1.5²), p = σ(z), and
predicted by a student that is somewhat overconfident and somewhat wrong, q = σ(1.3 z + .5 ε). The true
value of a metric is that of 400,000 cases. Of a metric with a bound at its best value (calibration errors, KL) the upper
end alone is a one-sided 97.5 % bound. Size: calibrated forecasts of K classes, the share of sets with p <= .05.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import binomtest

from labelppl.metrics import METRICS, OperatingPoint
from labelppl.metrics.collector import Collector
from labelppl.metrics.hosmer_lemeshow import hosmer_lemeshow
from labelppl.metrics.scored import Scored, Settings
from labelppl.metrics.verdict import SMECE_P

POINT = OperatingPoint(1, 0.5, "threshold=0.5", prevalence=0.1)
POPULATION = 400_000
BOUNDED = {"ece", "ece_debiased", "smece", "kl", "kl_true"}
"""Metrics with a bound at their best value: what is asked of them is the upper end."""
MEASURED = tuple(
    metric
    for metric in METRICS
    if metric.interval is not None
    and not metric.asked
    and not metric.detail
    and metric.needs != ("draws",)
    and metric.key not in ("hl_statistic", "accuracy_bayes", "accuracy_bayes_expected")
)
"""Every metric with an interval, but for what describes the truth alone, and Hosmer–Lemeshow's statistic, which has no
value in the population: it grows with the cases."""


def drawn(rng: np.random.Generator, cases: int, seed: int = 0) -> Scored:
    """Cases with the student's and the true probabilities, and labels."""
    z = 1.5 * rng.standard_normal(cases)
    p, q = expit(z), expit(1.3 * z + 0.5 * rng.standard_normal(cases))
    truth = np.column_stack([1 - p, p])
    return Scored(
        np.column_stack([1 - q, q]),
        (rng.random(cases) < p).astype(int),
        np.arange(cases),
        ("a", "b"),
        soft=truth,
        truth=truth,
        settings=Settings(point=POINT, seed=seed),
    )


def truths(population: int = POPULATION) -> dict[str, float]:
    """The population's values; with this many cases the noise of ECE and smECE is gone."""
    scored = drawn(np.random.default_rng(1), population)
    values = {metric.key: metric.value(scored) for metric in MEASURED}
    return {key: float(value) for key, value in values.items() if value is not None}


def coverage(sets: int, cases: int, n_boot: int, truth: dict[str, float]) -> list[str]:
    """One row per metric: coverage with its Wilson interval, misses below and above, mean width."""
    misses = {key: np.zeros((sets, 3)) for key in truth}
    for number in range(sets):
        out = Collector(drawn(np.random.default_rng([cases, number]), cases, number))
        out.measure(MEASURED)
        out.bootstrap(n_boot, number)
        for key, table in misses.items():
            lo, hi = out.intervals.get(key, (np.nan, np.nan))
            table[number] = truth[key] < lo, truth[key] > hi, hi - lo
    rows = []
    for key, table in misses.items():
        some = table[np.isfinite(table[:, 2])]
        below, above, width = some.mean(axis=0)
        hits = round(len(some) * (1 - below - above))
        ends = binomtest(hits, len(some)).proportion_ci(method="wilson")
        upper = f"{1 - above:.3f}" if key in BOUNDED else ""
        rows.append(
            f"| {key} | {cases} | {len(some)} | {hits / len(some):.3f} | {ends.low:.3f}–{ends.high:.3f} | "
            f"{below:.3f} | {above:.3f} | {upper} | {width:.3f} |"
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
    parser.add_argument("--replicates", type=int, default=500)
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
            "| metric | cases | sets | coverage | 95 % interval | truth below | truth above | upper end alone | width |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for n in cases:
            for row in coverage(sets, n, 50 if chosen.quick else chosen.replicates, truth):
                print(row, flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
