"""Hosmer–Lemeshow test of calibration, for two or more classes.

    X² = Σ_g Σ_k (O_gk − E_gk)² / E_gk,   E_gk = Σ_{i in g} p_ik
       = Σ_g (O_g − n_g p̄_g)² / (n_g p̄_g (1 − p̄_g))          two classes

Groups: deciles of 1 − p of the first class (of the second class's probability when there are two),
cut at the quantiles, so that equal forecasts stay in one group; forecasts that pile up therefore
leave fewer than ten groups, and `dof` counts the groups that were formed. Degrees of freedom:
g(K − 1) on cases the model never saw (the default here), (g − 2)(K − 1) on the cases it was fitted
to. The chi-square is an approximation that needs expected counts of about 5; `sparse` counts the
cells below. Group means are kept 1e-12 away from 0 and 1, so a certain and wrong group gives an
enormous statistic, not a division by zero.
Source: Hosmer & Lemeshow 1980; Fagerland, Hosmer & Bofin 2008 (more than two classes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import hard_pair

COUNT_FLOOR = 1e-12


class HosmerLemeshow(NamedTuple):
    """Statistic, degrees of freedom, upper-tail p-value, and the table it was computed from.

    `observed` and `expected` are counts (groups, classes); `sparse` is the number of cells of
    `expected` below 5.
    """

    statistic: float
    dof: int
    p_value: float
    observed: Floats
    expected: Floats
    sparse: int


def hosmer_lemeshow(
    probs: ArrayLike, labels: ArrayLike, *, groups: int = 10, fitted: bool = False
) -> HosmerLemeshow:
    """Return the test of `probs` (cases, classes) against `labels` (cases,).

    `fitted=True` states that the model was fitted to these very cases. Raises InputError for an
    invalid or unlabelled row, or when fewer groups form than degrees of freedom need.
    """
    p, y = hard_pair(probs, labels)
    index = group_index(p, groups)
    weights = np.ones((1, len(p)))
    observed, expected = _table(p, y, weights, index)
    formed, classes = observed.shape[1:]
    dof = (formed - 2 if fitted else formed) * (classes - 1)
    if dof < 1:
        raise InputError(
            f"groups: {formed} groups form from these forecasts, expected at least 3 on fitting "
            "data; ask for more groups or test on other cases"
        )
    statistic = float(_statistic(observed, expected)[0])
    return HosmerLemeshow(
        statistic,
        dof,
        float(chi2.sf(statistic, dof)),
        observed[0],
        expected[0],
        int((expected[0] < 5).sum()),
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
    return _statistic(*_table(probs, labels, weights, group_index(probs, groups)))


def _table(probs: Floats, labels: Ints, weights: Floats, index: Ints) -> tuple[Floats, Floats]:
    """Observed and expected counts, each (replicates, groups, classes)."""
    groups, classes = int(index.max()) + 1, probs.shape[1]
    member = np.eye(groups)[index]
    shape = (len(weights), groups, classes)
    observed = weights @ np.eye(groups * classes)[index * classes + labels]
    expected = weights @ (member[:, :, None] * probs[:, None, :]).reshape(len(probs), -1)
    return observed.reshape(shape), expected.reshape(shape)


def _statistic(observed: Floats, expected: Floats) -> Floats:
    count = observed.sum(axis=2, keepdims=True)
    floored = np.maximum(expected, COUNT_FLOOR * np.maximum(count, 1.0))
    terms = np.where(count > 0, np.square(observed - expected) / floored, 0.0)
    return np.asarray(terms.sum(axis=(1, 2)))
