"""Densities and draws of the strengths of Beta and Dirichlet priors, with the rates summed out."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaincc, gammainccinv, gammaln

from ..arrays import Floats


def log_slips(slip_prior: Floats, missed: Floats, wrong: Floats) -> Floats:
    """(K,) log probability of the wrong answers under Dirichlet(``slip_prior``) rows, which are summed out, up to a constant.

    slip_prior: (K, K - 1). missed: (J, K) how many wrong answers. wrong: (J, K, K - 1) which.
    """
    k, others = slip_prior.shape
    missed, wrong = missed.ravel(), wrong.ravel()
    at = np.flatnonzero(wrong)
    alpha = slip_prior.ravel()[at % (k * others)]
    apart = gammaln(alpha + wrong[at]) - gammaln(alpha)
    total = np.bincount(at % (k * others) // others, apart, minlength=k)
    at = np.flatnonzero(missed)
    whole = slip_prior.sum(1)[at % k]
    together = gammaln(whole) - gammaln(whole + missed[at])
    return np.asarray(total + np.bincount(at % k, together, minlength=k))


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
