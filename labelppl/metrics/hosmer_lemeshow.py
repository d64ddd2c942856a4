"""Hosmer–Lemeshow test of calibration, for two or more classes, with the exact covariance.

    d_g = O_g − Σ_{i in g} p_i        V_g = Σ_{i in g} (diag p_i − p_i p_iᵀ)
    X²  = Σ_g d_gᵀ V_g⁺ d_g           dof = Σ_g rank V_g

O_g counts the labels of group g by class. E[X²] = dof exactly for calibrated forecasts; the usual
Σ (O − E)²/E takes every case of a group to have the group's mean forecast, which makes V too large and
the test conservative. Groups: deciles of 1 − p of the first class (of the second class's probability
when there are two), cut at the quantiles, so that equal forecasts stay in one group; forecasts that
pile up leave fewer than ten groups. On the cases the model was fitted to, two groups' degrees of
freedom are lost.

The p-value is by simulation, (1 + #{X²_b ≥ X²})/(B + 1) with labels drawn from the forecasts and the
groups held fixed: the tails of the chi-square are wrong where few cases are expected in a cell.
V is kept 1e-12 per case away from singular, so a certain and wrong group gives an enormous statistic,
not a division by zero.
Source: Hosmer & Lemeshow 1980; Fagerland, Hosmer & Bofin 2008 (more than two classes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import FLOOR, hard_pair
from ..seeds import stream
from .bootstrap import each_once
from .intervals import STATISTIC
from .metric import Metric
from .null_band import draw_labels
from .scored import Scored

HL_DRAWS = 999
"""Simulated labellings: a p-value of .05 is known to ±.007."""
SPARSE = 5
"""Expected counts below this many are called sparse (Cochran 1954)."""
LARGEST = 2_000_000
"""Numbers held at once when replicates are solved, 16 MB."""


class HosmerLemeshow(NamedTuple):
    """The statistic, its degrees of freedom, both p-values and the table behind them.

    `p_value` is by simulation, `p_chi2` by the chi-square; on fitting data they are the same.
    `observed` and `expected` are counts (groups, classes); `sparse` is the number of cells of
    `expected` below 5.
    """

    statistic: float
    dof: int
    p_value: float
    p_chi2: float
    observed: Floats
    expected: Floats
    sparse: int


def hosmer_lemeshow(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    groups: int = 10,
    fitted: bool = False,
    draws: int = HL_DRAWS,
    seed: int = 0,
) -> HosmerLemeshow:
    """Return the test of `probs` (cases, classes) against `labels` (cases,).

    `fitted=True` states that the model was fitted to these very cases: simulation from its forecasts
    would forget that, so the p-value is the chi-square's. Raises InputError for an invalid or
    unlabelled row, or when fewer groups form than degrees of freedom need.
    """
    p, y = hard_pair(probs, labels)
    index = group_index(p, groups)
    one = each_once(len(p))
    observed, expected = _table(p, y, one, index)
    formed, classes = observed.shape[1:]
    covariance = _covariance(p, one, index)[0]
    dof = int(sum(np.linalg.matrix_rank(block, hermitian=True) for block in covariance))
    if fitted:
        dof -= 2 * (classes - 1)
        if dof < 1:
            raise InputError(
                f"groups: {formed} groups form from these forecasts, expected at least 3 on fitting "
                "data; ask for more groups or test on other cases"
            )
    statistic = float(_statistic(observed - expected, covariance[None]).item())
    by_table = float(chi2.sf(statistic, dof)) if dof else float(statistic < 1)
    return HosmerLemeshow(
        statistic,
        dof,
        by_table if fitted else _simulated_p(p, index, covariance, statistic, draws, seed),
        by_table,
        observed[0],
        expected[0],
        int((expected[0] < SPARSE).sum()),
    )


def group_index(probs: Floats, groups: int) -> Ints:
    """Return the group (cases,) of every case, numbered from 0 without gaps."""
    if groups < 1:
        raise InputError(f"groups: got {groups}, expected at least 1")
    score = probs[:, 1] if probs.shape[1] == 2 else 1.0 - probs[:, 0]
    inner = np.quantile(score, np.arange(1, groups) / groups)
    _, index = np.unique(np.searchsorted(inner, score, side="left"), return_inverse=True)
    return np.asarray(index, dtype=np.int64)


def statistic_replicates(probs: Floats, labels: Ints, weights: Floats, groups: int = 10) -> Floats:
    """Return X² (replicates,) of the cases counted by `weights` (replicates, cases).

    The groups are those of the forecasts themselves, the same for every replicate.
    """
    index = group_index(probs, groups)
    observed, expected = _table(probs, labels, weights, index)
    size = max(1, LARGEST // (observed.shape[1] * probs.shape[1] ** 2))
    parts = [
        _statistic(gap, _covariance(probs, some, index))
        for gap, some in (
            (observed[start : start + size] - expected[start : start + size],
             weights[start : start + size])
            for start in range(0, len(weights), size)
        )
    ]  # fmt: skip
    return np.concatenate(parts)


def _table(probs: Floats, labels: Ints, weights: Floats, index: Ints) -> tuple[Floats, Floats]:
    """Observed and expected counts, each (replicates, groups, classes)."""
    groups, classes = int(index.max()) + 1, probs.shape[1]
    member = np.eye(groups)[index]
    shape = (len(weights), groups, classes)
    observed = weights @ np.eye(groups * classes)[index * classes + labels]
    expected = weights @ (member[:, :, None] * probs[:, None, :]).reshape(len(probs), -1)
    return observed.reshape(shape), expected.reshape(shape)


def _covariance(probs: Floats, weights: Floats, index: Ints) -> Floats:
    """V of all classes but the last (replicates, groups, classes − 1, classes − 1)."""
    free = probs[:, :-1]
    size = free.shape[1]
    blocks = []
    for group in range(int(index.max()) + 1):
        rows = index == group
        p, w = free[rows], weights[:, rows]
        pairs = (p[:, :, None] * p[:, None, :]).reshape(len(p), -1)
        block = -(w @ pairs).reshape(len(weights), size, size)
        block[:, np.arange(size), np.arange(size)] += w @ p
        blocks.append(block)
    return np.stack(blocks, axis=1)


def _statistic(gap: Floats, covariance: Floats) -> Floats:
    """X² (replicates,) of gaps (replicates, groups, classes); V may serve all replicates."""
    free = gap[..., :-1]
    size = free.shape[-1]
    spread = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None]
    held = covariance + FLOOR * np.maximum(spread, 1.0) * np.eye(size)
    if len(held) == 1:
        solved = np.einsum("gkl,rgl->rgk", np.linalg.inv(held[0]), free)
    else:
        solved = np.linalg.solve(held, free[..., None])[..., 0]
    return np.asarray(np.maximum((free * solved).sum(axis=(1, 2)), 0.0))


def _simulated_p(
    probs: Floats, index: Ints, covariance: Floats, statistic: float, draws: int, seed: int
) -> float:
    rng = stream(seed, "hosmer-lemeshow").numpy()
    drawn = draw_labels(probs, draws, rng)
    groups, classes = len(covariance), probs.shape[1]
    cell = (index * classes + drawn) + groups * classes * np.arange(draws)[:, None]
    observed = np.bincount(cell.ravel(), minlength=draws * groups * classes)
    expected = _table(probs, drawn[0], each_once(len(probs)), index)[1]
    gap = observed.reshape(draws, groups, classes) - expected
    as_large = _statistic(gap, covariance[None]) >= statistic * (1 - 1e-9) - 1e-9
    return float((1 + as_large.sum()) / (draws + 1))


def _test(scored: Scored) -> HosmerLemeshow:
    settings = scored.settings
    return hosmer_lemeshow(scored.probs, scored.labels, groups=settings.bins, seed=settings.seed)


HOSMER_LEMESHOW = (
    Metric(
        "hl_statistic",
        "Hosmer–Lemeshow χ²",
        "Hosmer–Lemeshow chi-square of observed against expected counts; lower is better",
        "down",
        needs=("labels",),
        value=lambda scored: scored.once(_test).statistic,
        replicates=lambda scored, weights: statistic_replicates(
            scored.probs, scored.labels, weights, scored.settings.bins
        ),
        interval=STATISTIC,
    ),
    Metric(
        "hl_dof",
        "Degrees of freedom of Hosmer–Lemeshow",
        "the chi-square to expect of calibrated forecasts",
        "none",
        needs=("labels",),
        value=lambda scored: float(scored.once(_test).dof),
        interval=None,
        detail=True,
    ),
    Metric(
        "hl_p",
        "Hosmer–Lemeshow p",
        "how often calibrated forecasts show as large a chi-square; a small one is evidence of "
        "miscalibration",
        "none",
        needs=("labels",),
        value=lambda scored: scored.once(_test).p_value,
        interval=None,
    ),
)
