"""Pareto-smoothed importance sampling of many cases at once, number for number what ArviZ computes one by one.

For S log ratios x of one case, less their maximum, the tail is what exceeds the (M + 1)-th largest,
M = ceil(min(S / 5, 3 sqrt(S))). A generalised Pareto distribution is fitted to exp(x) - exp(cutoff) by
Zhang & Stephens' (2009) posterior mean over m = 30 + sqrt(M) values of b, k-hat is shrunk towards 1/2 by ten
prior draws, and the tail is replaced by the fit's quantiles, at most the largest ratio (Vehtari, Simpson,
Gelman, Yao & Gabry 2024). ArviZ loops over the cases, which costs more than everything else that a soft
label needs; here one partition finds all tails, and cases with tails of one length are fitted together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Floats

#: Fewer draws than this in the tail cannot be fitted; their k-hat is infinite.
LEAST_TAIL = 5
PRIOR_B, PRIOR_K = 3, 10
#: Ratios that differ by less than this are constant: such weights are exact and have no tail.
CONSTANT = 1e-12
#: Numbers held at once by the fits of one batch of cases.
BATCH = 2**22


class Smoothed(NamedTuple):
    """log_weights (cases, draws), each row normalised to sum to one; khat (cases,)."""

    log_weights: Floats
    khat: Floats


def pareto_smooth(log_ratios: Floats) -> Smoothed:
    """Smoothed weights of ``log_ratios`` (cases, draws); -inf is a draw that weighs nothing."""
    x = log_ratios - log_ratios.max(-1, keepdims=True)
    cases, draws = x.shape
    beyond = int(np.ceil(min(draws / 5, 3 * draws**0.5)))
    khat = np.full(cases, np.inf)
    constant = x.min(-1) > -CONSTANT
    khat[constant] = 0.0
    if beyond < draws:
        top = np.argpartition(x, draws - beyond - 1, axis=-1)[:, draws - beyond - 1 :]
        tail = np.take_along_axis(x, top, -1)
        cutoff = np.maximum(tail.min(-1), np.log(np.finfo(np.float64).tiny))
        size = (tail > cutoff[:, None]).sum(-1)
        for length in np.unique(size[(size >= LEAST_TAIL) & ~constant]):
            rows = np.flatnonzero((size == length) & ~constant)
            step = max(1, BATCH // (int(length) * (30 + int(length**0.5))))
            for some in np.split(rows, range(step, len(rows), step)):
                _smooth_tails(x, khat, some, top[some], tail[some], cutoff[some], int(length))
    x -= np.log(np.exp(x).sum(-1, keepdims=True))
    return Smoothed(x, khat)


def _smooth_tails(
    x: Floats,
    khat: Floats,
    rows: npt.NDArray[np.intp],
    top: npt.NDArray[Any],
    tail: Floats,
    cutoff: Floats,
    length: int,
) -> None:
    """Fit the ``length`` largest of each row's candidates (``top``, ``tail``) and write the smoothed ones into ``x``."""
    order = np.argsort(tail, -1)[:, -length:]
    at = np.take_along_axis(top, order, -1)
    edge = np.exp(cutoff)[:, None]
    k, sigma = _fit_pareto(np.exp(np.take_along_axis(tail, order, -1)) - edge)
    khat[rows] = k
    ok = np.isfinite(k)
    k, sigma, at, rows = k[ok, None], sigma[ok, None], at[ok], rows[ok]
    log_survival = np.log1p(-np.arange(0.5, length) / length)
    flat = np.abs(k) < np.finfo(np.float64).eps
    quantile = np.where(flat, -log_survival, np.expm1(-k * log_survival) / np.where(flat, 1.0, k))
    x[rows[:, None], at] = np.minimum(np.log(sigma * quantile + edge[ok]), 0.0)


def _fit_pareto(tail: Floats) -> tuple[Floats, Floats]:
    """Shape k (shrunk) and scale sigma (cases,) of sorted excesses (cases, length)."""
    n = tail.shape[-1]
    m = 30 + int(n**0.5)
    b = 1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))
    b = b / (PRIOR_B * tail[:, int(n / 4 + 0.5) - 1, None]) + 1 / tail[:, -1:]
    k = np.log(1 - b[:, :, None] * tail[:, None, :]).mean(-1)
    profile = n * (np.log(-(b / k)) - k - 1)
    weight = np.exp(profile - profile.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    weight[weight < 10 * np.finfo(np.float64).eps] = 0.0
    weight /= weight.sum(-1, keepdims=True)
    mean = (b * weight).sum(-1)
    shape = np.log(1 - mean[:, None] * tail).mean(-1)
    return (n * shape + PRIOR_K * 0.5) / (n + PRIOR_K), -shape / mean
