"""Did the sampler converge? Rank-normalised split R-hat, effective sample sizes, Pareto k.

All numbers are ArviZ's (Vehtari et al. 2021, 2024). This file is the only one that knows that ArviZ
0.23 keeps them in ``arviz`` itself and ArviZ 1.x in ``arviz_stats``; arrays in and out are numpy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Floats

RHAT_MAX = 1.01
ESS_MIN = 400.0
KHAT_MAX = 0.7


class Convergence(NamedTuple):
    """One value for each coordinate (dim,)."""

    rhat: Floats
    ess_bulk: Floats
    ess_tail: Floats


def _arviz_stats() -> Any | None:
    """ArviZ 1.x's array functions, or None where ArviZ 0.23 is installed."""
    try:
        from arviz_stats.base import array_stats
    except ImportError:
        return None
    return array_stats


def _arviz() -> Any:
    import warnings

    with warnings.catch_warnings():  # 0.23 announces 1.x at every import
        warnings.simplefilter("ignore", FutureWarning)
        import arviz

    return arviz


def convergence(points: Floats) -> Convergence:
    """Split, rank-normalised R-hat and bulk and tail ESS of draws (chains, draws, dim)."""
    stats = _arviz_stats()
    if stats is not None:
        return Convergence(
            np.atleast_1d(stats.rhat(points, chain_axis=0, draw_axis=1, method="rank")),
            np.atleast_1d(stats.ess(points, chain_axis=0, draw_axis=1, method="bulk")),
            np.atleast_1d(stats.ess(points, chain_axis=0, draw_axis=1, method="tail")),
        )
    az = _arviz()
    columns = [np.ascontiguousarray(points[..., d]) for d in range(points.shape[-1])]
    return Convergence(
        np.array([az.rhat(c, method="rank") for c in columns]),
        np.array([az.ess(c, method="bulk") for c in columns]),
        np.array([az.ess(c, method="tail") for c in columns]),
    )


def psis(log_ratios: Floats) -> tuple[Floats, float]:
    """Pareto-smoothed log weights (draws,), normalised to sum to one, and their Pareto k."""
    stats = _arviz_stats()
    if stats is not None:
        log_weights, khat = stats.psislw(-log_ratios, axis=-1)  # 1.x takes log-likelihoods
    else:
        log_weights, khat = _arviz().psislw(log_ratios)
    return np.asarray(log_weights, dtype=np.float64), float(khat)


def khat_limit(draws: int) -> float:
    """Largest Pareto k at which the weights of so many draws can be trusted."""
    return min(1 - 1 / math.log10(draws), KHAT_MAX)


def weights_ess(log_weights: Floats) -> float:
    """Effective number of draws 1/sum(w^2) behind normalised log weights (draws,)."""
    return float(np.exp(-np.logaddexp.reduce(2 * log_weights)))


def convergence_problems(measured: Convergence, names: Sequence[str]) -> tuple[str, ...]:
    """What the chains fail at, in words; the worst coordinate speaks for all of them."""
    problems = []
    worst = int(np.argmax(np.where(np.isfinite(measured.rhat), measured.rhat, np.inf)))
    if not measured.rhat[worst] <= RHAT_MAX:
        problems.append(
            f"R-hat of {names[worst]} is {measured.rhat[worst]:.3f}, more than {RHAT_MAX}: "
            "the chains have not met"
        )
    for kind, ess in (("bulk", measured.ess_bulk), ("tail", measured.ess_tail)):
        worst = int(np.argmin(np.where(np.isfinite(ess), ess, -np.inf)))
        if not ess[worst] >= ESS_MIN:
            problems.append(
                f"{kind} ESS of {names[worst]} is {ess[worst]:.0f}, less than {ESS_MIN:.0f}: "
                "draw more"
            )
    return tuple(problems)


def nested_rhat(points: Floats, superchains: int) -> Floats:
    """Nested R-hat (dim,) of draws (chains, draws, dim), for many chains too short to split.

    Neighbouring chains form ``superchains`` groups that share a start (Margossian et al. 2024):
    sqrt(1 + B / mean_k(B_k + W_k)), with B the variance between the groups' means and B_k, W_k the
    variances between and within the chains of group k; the larger of the rank-normalised and the
    folded, as for the split R-hat. About 1 + 1/(2 ESS of one group) when all chains have met.
    """
    from scipy.stats import norm, rankdata

    chains, draws, dim = points.shape

    def of(values: Floats) -> Floats:
        ranks = rankdata(values.reshape(-1, dim), axis=0)
        scores = norm.ppf((ranks - 0.375) / (len(ranks) + 0.25))
        grouped = scores.reshape(superchains, chains // superchains, draws, dim)
        means = grouped.mean(2)
        between = means.mean(1).var(0, ddof=1)
        inside = means.var(1, ddof=1) + grouped.var(2, ddof=1).mean(1)
        return np.asarray(np.sqrt(1 + between / inside.mean(0)))

    return np.maximum(of(points), of(np.abs(points - np.median(points, axis=(0, 1)))))
