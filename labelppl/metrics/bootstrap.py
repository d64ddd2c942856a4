"""Intervals by the group bootstrap.

Cases of one group (a patient, a family) are not independent, so groups are drawn with replacement
and every case carries the count of its group: a replicate is a weighting (cases,), and a metric
that takes weights is computed for many replicates in one matrix product.

Means, recalls and AUC get quantiles of the replicates that know how skewed the estimate is (`skewed_interval`, after
Efron's BCa); log loss and KL divergence have long tails, and plain quantiles miss the truth above their upper end twice as often
as below. Where the skewness is not known (a mean over several test sets), plain quantiles. Both are moved outwards as
much as few groups need, for 60 plain ones to 2.2 % and 97.8 % (`expanded_level`).

Calibration errors are biased upwards by noise, and resampling adds the same noise again: the
percentile interval of a perfectly calibrated classifier's ECE never reaches 0 (0 of 150 simulated
data sets of 183 cases). `error_interval` therefore reflects the interval about the estimate (the
basic bootstrap, which subtracts that bias), lets it reach 0 whenever the estimate lies inside the
null band, where calibration cannot be rejected, and never excludes the estimate itself. smECE
absorbs part of the noise in its bandwidth, so reflection alone goes too far; its interval is the
union of both. What matters is the upper end, the error that cannot be excluded; docs/measured.md has the coverage of
both ends and of the upper one alone, at 60, 183 and 1,500 cases.
Source: Efron & Tibshirani 1993, ch. 14; Davison & Hinkley 1997, §5.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from ..arrays import Floats, Ints
from ..seeds import stream

LEVEL = 0.95
MOST_LEFT_OUT = 200
"""Parts that are left out in turn to see how skewed an estimate is; with more groups, a part is several of them."""
WEIGHT_NUMBERS = 1_000_000
"""Weights held at once (replicates × cases), 8 MB per array."""

Interval = tuple[float, float]


def each_once(cases: int) -> Floats:
    """Return the weights (1, cases) that count every case once."""
    return np.ones((1, cases))


def group_weights(groups: Ints, replicates: int, seed: int) -> Iterator[Floats]:
    """Yield weights (at most `replicates` in all, cases): how often each case was drawn.

    `groups` (cases,) numbers the groups from 0 without gaps.
    """
    rng = stream(seed, "bootstrap").numpy()
    count = int(groups.max()) + 1
    size = max(1, WEIGHT_NUMBERS // max(len(groups), count))
    for start in range(0, replicates, size):
        rows = min(size, replicates - start)
        drawn = rng.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times[:, groups].astype(np.float64)


def leave_out_weights(groups: Ints) -> Floats:
    """Return weights (parts, cases) of which each leaves out one part of the groups and keeps every other case once."""
    parts = min(int(groups.max()) + 1, MOST_LEFT_OUT)
    return (groups % parts != np.arange(parts)[:, None]).astype(np.float64)


def acceleration(left_out: Floats) -> float:
    """Return how skewed an estimate is, a sixth of its skewness, from its values without each part (parts,).

    0 where they do not differ or one of them is undefined.
    """
    influence = left_out.mean() - left_out
    spread = np.square(influence).sum()
    if not spread > 0:
        return 0.0
    return float((influence**3).sum() / (6 * spread**1.5))


def expanded_reach(groups: int, level: float = LEVEL) -> float:
    """Return how many standard errors of the bootstrap a mean of few groups needs on either side.

    The bootstrap's spread is too small by √((n − 1)/n), and knows nothing of Student's t: t √(n/(n − 1)) mends both
    (Hesterberg 2015, "expanded percentile interval").
    """
    if groups < 2:
        return float(norm.ppf((1 + level) / 2))
    return float(student_t.ppf((1 + level) / 2, groups - 1) * np.sqrt(groups / (groups - 1)))


def expanded_level(groups: int, level: float = LEVEL) -> float:
    """Return the level of quantiles whose interval covers a mean of few groups at `level`."""
    return float(2 * norm.cdf(expanded_reach(groups, level)) - 1)


def skewed_interval(replicates: Floats, skewness: float, groups: int) -> Interval:
    """Return quantiles of the finite `replicates` (replicates,) at levels that mend the skewness of the estimate.

        Φ(a + (a ± t)/(1 − a (a ± t))),   a = `skewness`, as `acceleration` returns it,

    t the reach that so many groups need: Efron's BCa (1987) with the shift z₀ of a mean, which is a. The share of replicates
    below the estimate, his z₀, is not used: where resampling itself shifts the replicates, as it does those of average
    precision, it would shift the interval twice.
    """
    known = replicates[np.isfinite(replicates)]
    z = skewness + np.array([-1.0, 1.0]) * expanded_reach(groups)
    # Beyond 1/a no quantile is far enough; the outermost replicate stands for it.
    levels = norm.cdf(skewness + z / np.maximum(1 - skewness * z, 1e-6))
    lo, hi = np.quantile(known, levels)
    return float(lo), float(hi)


def percentile_interval(replicates: Floats, level: float = LEVEL) -> Interval:
    """Return the central interval of the finite `replicates` (replicates,)."""
    known = replicates[np.isfinite(replicates)]
    lo, hi = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)


def reflected_interval(
    point: float, replicates: Floats, *, centre: float | None = None, level: float = LEVEL
) -> Interval:
    """Return the percentile interval reflected about the estimate, which it never excludes.

    `centre` as in `error_interval`.
    """
    lo, hi = percentile_interval(replicates, level)
    true = point if centre is None else centre
    return min(point + true - hi, point), max(point + true - lo, point)


def error_interval(
    point: float,
    replicates: Floats,
    null_upper: float,
    *,
    centre: float | None = None,
    union: bool = False,
    level: float = LEVEL,
) -> Interval:
    """Return the interval of a calibration error >= 0 (see the module).

    `null_upper` is the upper end of the error's null band. `centre` is the error's true value in
    the world that the replicates are drawn from, the cases themselves: the plug-in error, `point`
    unless the estimate is already debiased. `union` joins the percentile interval.
    """
    lower, upper = reflected_interval(point, replicates, centre=centre, level=level)
    if union:
        lo, hi = percentile_interval(replicates, level)
        lower, upper = min(lower, lo), max(upper, hi)
    return 0.0 if point <= null_upper else max(0.0, lower), upper


def exact_interval(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Return the Clopper–Pearson interval of a proportion.

    For a share that is exactly 0 or 1, where every replicate agrees and the bootstrap would claim
    certainty.
    """
    interval = binomtest(successes, trials).proportion_ci(confidence_level=level, method="exact")
    return float(interval.low), float(interval.high)


def wilson_interval(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Return Wilson's interval of a proportion of independent cases (Wilson 1927)."""
    interval = binomtest(successes, trials).proportion_ci(confidence_level=level, method="wilson")
    return float(interval.low), float(interval.high)


def statistic_interval(point: float, replicates: Floats, level: float = LEVEL) -> Interval:
    """Return the interval of a quadratic statistic >= 0: percentile, shifted by the bootstrap bias.

    Resampling adds about its degrees of freedom to a chi-square statistic; the shift takes them
    off, so that the interval is about the statistic to expect from as many new cases. The bias is
    that of the median: groups forecast near 0 or 1 make the mean explode.
    """
    lo, hi = percentile_interval(replicates, level)
    bias = float(np.median(replicates)) - point
    return max(0.0, min(lo - bias, point)), max(hi - bias, point)
