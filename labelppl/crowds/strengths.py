"""Densities and draws of the strengths of Beta and Dirichlet priors, with the rates summed out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincc, gammainccinv, gammaln

from ..arrays import Floats, Ints


class Tally(NamedTuple):
    """How often each number above 0 stands in each cell: cell, number and times, one entry for each pair that occurs."""

    cell: Ints
    number: Ints
    times: Ints


def tally(counts: Floats) -> Tally:
    """The tally of whole numbers (raters, ...) over the raters; cells are the flat other axes."""
    flat = counts.reshape(len(counts), -1).astype(np.int64)
    rater, cell = np.nonzero(flat)
    number = flat[rater, cell]
    most = int(number.max(initial=0)) + 1
    codes, times = np.unique(cell * most + number, return_counts=True)
    return Tally(codes // most, codes % most, times)


def log_slips(slip_prior: Floats, missed: Tally, wrong: Tally) -> Floats:
    """(K,) log probability of the wrong answers under Dirichlet(``slip_prior``) rows, which are summed out, up to a constant.

    slip_prior: (K, K - 1). missed: of how many wrong answers (J, K) there are. wrong: of which (J, K, K - 1).
    """
    k, others = slip_prior.shape
    alpha, whole = slip_prior.ravel()[wrong.cell], slip_prior.sum(1)[missed.cell]
    apart = wrong.times * (gammaln(alpha + wrong.number) - gammaln(alpha))
    together = missed.times * (gammaln(whole) - gammaln(whole + missed.number))
    total = np.bincount(wrong.cell // others, apart, minlength=k)
    return np.asarray(total + np.bincount(missed.cell, together, minlength=k))


def log_gamma(x: Floats | float, law: tuple[float, float]) -> Any:
    """Log density of log x, x ~ Gamma(shape, rate), up to a constant."""
    return law[0] * np.log(x) - law[1] * x


def gamma_from(rng: np.random.Generator, shape: float, rate: float, low: float) -> float:
    """A Gamma above ``low``, by its upper tail."""
    drawn = float(rng.gamma(shape) / rate)
    if drawn >= low:
        return drawn
    tail = float(gammaincc(shape, low * rate))
    return max(low, float(gammainccinv(shape, rng.random() * tail)) / rate) if tail > 0 else low
