"""One test of the spread of all parameters together, many times as sharp as a test of each.

The rank of the truth among L draws is turned into a normal score, and the squares are added over N simulations and Q
parameters,

    z_iq = Phi^-1((rank + U) / (L + 1)),    C = sum_i sum_q z_iq^2,

too large if the posterior is too narrow, too small if it is too wide. Were the parameters independent, C would be chi-square
with N Q degrees of freedom; they are not. The null is exact all the same: if the posterior is right, the truth and the draws
are exchangeable, so that in every simulation any of the L + 1 vectors might have been the truth. A random one takes its part,
again and again; the p-value is where C stands among those sums.

How small a fault could be found follows from Satterthwaite's degrees of freedom nu = 2 Q^2 N / V, V = 2 sum_qr rho_qr^2 with
the scores' correlations (debiased by 1/N): with a level of .01 and a power of .8 a ratio of standard deviations of
exp(-3.418 / sqrt(2 nu)), 3.418 = Phi^-1(.995) + Phi^-1(.8).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from ..arrays import Array, Floats
from ..seeds import stream

#: Times that a random vector takes the truth's part.
EXCHANGES = 9_999
#: Exchanges at once.
EXCHANGE_ROWS = 500
#: Phi^-1(.995) + Phi^-1(.8): a two-sided level of .01, a power of .8.
LEVEL_AND_POWER = 3.418


class Pooled(NamedTuple):
    """p: two-sided p-value. ratio: the posterior's SD over the right one, as the scores tell it. detectable: the ratio that
    would have been found four times in five."""

    p: float
    ratio: float
    detectable: float

    @property
    def finding(self) -> str:
        """What the ratio says about the posterior."""
        return f"the posterior is about {abs(1 - self.ratio):.0%} too {'narrow' if self.ratio < 1 else 'wide'}"


def exchangeable_scores(truth: Floats, draws: Floats, rng: np.random.Generator) -> Floats:
    """Sums over the parameters of squared scores (draws + 1,): of the truth (parameters,), then of each draw in its place.

    draws: (draws, parameters), independent and of equal weight. Ties are broken at random.
    """
    everyone = np.vstack([truth, draws])
    shuffle = rng.permutation(len(everyone))
    ranks = np.empty(everyone.shape)
    ranks[shuffle] = rankdata(everyone[shuffle], method="ordinal", axis=0)
    uniform = (ranks - rng.random(ranks.shape)) / len(everyone)
    return np.square(norm.ppf(uniform)).sum(1)


def pooled_spread(scores: Floats, uniform: Array, seed: int) -> Pooled:
    """The pooled test of scores (simulations, draws + 1); uniform (simulations, parameters): the truths' ranks in (0, 1)."""
    n, q = uniform.shape
    if n < 2 or q == 0:
        return Pooled(1.0, 1.0, 0.0)
    rng = stream(seed, "exchanged truths").numpy()
    total = float(scores[:, 0].sum())
    sums: list[Floats] = []
    for first in range(0, EXCHANGES, EXCHANGE_ROWS):
        rows = min(EXCHANGE_ROWS, EXCHANGES - first)
        who = rng.integers(0, scores.shape[1], (rows, n))
        sums.append(scores[np.arange(n), who].sum(1))
    null = np.concatenate(sums)
    tail = min(int((null >= total).sum()), int((null <= total).sum()))
    return Pooled(
        p=min(1.0, 2 * (1 + tail) / (1 + len(null))),
        ratio=float(np.sqrt(null.mean() / total)),
        detectable=float(np.exp(-LEVEL_AND_POWER / np.sqrt(2 * _freedom(norm.ppf(uniform))))),
    )


def _freedom(z: Floats) -> float:
    """Satterthwaite's degrees of freedom of the sum of squares of correlated scores (simulations, parameters)."""
    n, q = z.shape
    squared = np.square(np.corrcoef(z.T)).reshape(q, q)
    squared = np.maximum((squared - 1 / n) / (1 - 1 / n), 0)
    np.fill_diagonal(squared, 1)
    return float(2 * q**2 * n / (2 * squared.sum()))
