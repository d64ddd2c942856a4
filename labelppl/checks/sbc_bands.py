"""Are these ranks uniform? Simultaneous bands of the empirical distribution function.

N values u in (0, 1), uniform if the posterior is right, are counted below the points j / J. The count at a point is
binomial; gamma is the smallest of all its two-sided tail probabilities,

    gamma = min_j 2 min( P(Bin(N, j/J) <= c_j), P(Bin(N, j/J) >= c_j) ),

and its distribution is found by simulating N uniform values many times. The band at level 1 - a holds what has gamma above
the a-quantile of that, so that a whole curve leaves it with probability a (Säilynoja, Bürkner & Vehtari 2022, with
simulation in place of their recursion).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from ..arrays import Array
from ..seeds import stream

#: Most points at which the distribution function is compared.
MOST_POINTS = 50
REPETITIONS = 40_000


class Band(NamedTuple):
    """points (points,) in (0, 1); low and high (points,) counts of N values below them, still inside the band."""

    points: Array
    low: Array
    high: Array


def fractional_ranks(ranks: Array, draws: int, rng: np.random.Generator) -> Array:
    """Values in (0, 1) of ranks 0 ... draws, uniform if the ranks are."""
    return (ranks + rng.random(ranks.shape)) / (draws + 1)


def p_values(u: Array) -> Array:
    """Probability (quantities,) that uniform values stray as far as the columns of u (simulations, quantities) do."""
    n = len(u)
    if n < 2:  # one value is uniform wherever it lies
        return np.ones(u.shape[1])
    null, tails = _null(n), _tails(n)
    gamma = tails[counts_below(u), np.arange(tails.shape[1])].min(-1)
    return (1 + np.searchsorted(null, gamma, side="right")) / (1 + len(null))


def counts_below(u: Array) -> Array:
    """How many of the values u (simulations, quantities) lie below each point, (quantities, points)."""
    points = _points(len(u))
    return (u.T[:, :, None] <= points).sum(1)


def band(n: int, level: float) -> Band:
    """The band that all counts of ``n`` uniform values stay in with probability ``level``."""
    null, tails = _null(n), _tails(n)
    gamma = null[int(np.floor((1 - level) * len(null)))]
    inside = tails >= gamma
    low = inside.argmax(0)
    high = n - inside[::-1].argmax(0)
    return Band(_points(n), low, high)


def _points(n: int) -> Array:
    size = min(n, MOST_POINTS)
    return np.arange(1, size) / size


@lru_cache(maxsize=8)
def _tails(n: int) -> Array:
    """Two-sided tail probability of every count 0 ... n at every point, (n + 1, points)."""
    counts, points = np.arange(n + 1)[:, None], _points(n)[None]
    return 2 * np.minimum(binom.cdf(counts, n, points), binom.sf(counts - 1, n, points))


@lru_cache(maxsize=8)
def _null(n: int) -> Array:
    """gamma of uniform values, sorted (repetitions,)."""
    tails, bins = _tails(n), min(n, MOST_POINTS)
    rng = stream(0, "uniform ranks", n).numpy()
    counts = rng.multinomial(n, np.full(bins, 1 / bins), REPETITIONS).cumsum(1)[:, :-1]
    return np.sort(tails[counts, np.arange(bins - 1)].min(1))
