"""One number (d = 1): the shared scale by quadrature over log S and delta, so that nothing is sampled.

With d = 1, p(S) is a one-dimensional density, the mixture over alpha and v of Gamma(a/2, rate a / (2 v)); it is tabulated
once. For each delta the trapezoid rule runs over log S where the posterior is above e^-30 of its top, which also holds the
posterior without any one case.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import gammaln, logsumexp

from ...arrays import Array, Floats
from .shared_scale import ALPHAS, WORTHS, SharedScale, log_constants

#: Log of the share of the top below which the posterior of log S counts as nothing.
REACH = 30.0
NODES = 64
#: log S and log v run from -RANGE to RANGE; the narrowest law of either, alpha = 32, is .25 wide.
RANGE, STEP = 30.0, 0.15
#: Nodes of less weight than this play no part, with any one case or without it.
LEAST_LOG_WEIGHT = -25.0


def on_grid(w: Floats, count: Floats) -> SharedScale:
    """The posterior of S and delta given W_k and n_k of each class, both (classes,)."""
    constants = log_constants(count, 1)
    prior = _log_prior()
    nodes, log_weights = [], []
    for at, worth in enumerate(WORTHS):
        low, high = -RANGE, RANGE
        for points in (2001, 501, NODES):
            x = np.linspace(low, high, points)
            log_p = prior(x) + _log_likelihood(x, worth, w, count) + constants[at]
            inside = np.flatnonzero(log_p > log_p.max() - REACH)
            low, high = x[max(inside[0] - 1, 0)], x[min(inside[-1] + 1, points - 1)]
        nodes.append(x)
        log_weights.append(log_p + np.log(x[1] - x[0]))
    log_s, log_w = np.concatenate(nodes), np.concatenate(log_weights)
    kept = log_w > log_w.max() + LEAST_LOG_WEIGHT
    return SharedScale(
        scale=np.exp(log_s[kept])[:, None, None],
        worth=np.repeat(WORTHS, NODES)[kept],
        size=np.ones((int(kept.sum()), len(count))),
        log_weights=log_w[kept] - logsumexp(log_w[kept]),
        spread=None,
    )


def draw_spread(scale: Floats, node: Array, rng: np.random.Generator) -> Floats:
    """Draws (draws, 1) of sqrt(v) given S at each draw's ``node``; scale (nodes,)."""
    log_v = np.arange(-RANGE, RANGE, STEP)
    table = logsumexp(_log_joint(np.log(scale), log_v), axis=1)
    cumulative = np.exp(table - table.max(-1, keepdims=True)).cumsum(-1)
    cumulative /= cumulative[:, -1:]
    at = (cumulative[node] < rng.random((len(node), 1))).sum(-1)
    return np.asarray(np.exp((log_v[at] + rng.uniform(-0.5, 0.5, len(node)) * STEP) / 2))[:, None]


def _log_likelihood(log_s: Floats, worth: float, w: Floats, count: Floats) -> Floats:
    """log p(D | S, delta) without its constants, (nodes,)."""
    total = worth * np.exp(log_s)[:, None] + w
    return np.asarray((worth / 2 * log_s[:, None] - (worth + count) / 2 * np.log(total)).sum(-1))


def _log_joint(log_s: Floats, log_v: Floats) -> Floats:
    """log p(log S, log v, alpha), (nodes, alphas, variances); log v under half-Cauchy(1) of sqrt(v)."""
    half_cauchy = log_v / 2 - np.log(np.pi) - np.logaddexp(0.0, log_v)
    a, s = ALPHAS[:, None], log_s[:, None, None]
    return np.asarray(
        half_cauchy
        - np.log(len(ALPHAS))
        + a / 2 * (np.log(a / 2) - log_v + s)
        - gammaln(a / 2)
        - a / 2 * np.exp(np.minimum(s - log_v, 700.0))
    )


@cache
def _log_prior() -> CubicSpline:
    """log density of log S as a function of log S: alpha summed over, log v integrated by the trapezoid rule."""
    log_s, log_v = np.arange(-RANGE, RANGE + STEP, STEP), np.arange(-2 * RANGE, 2 * RANGE, STEP)
    return CubicSpline(log_s, logsumexp(_log_joint(log_s, log_v), axis=(1, 2)) + np.log(STEP))
