"""Where a network's parameters will come to lie: rough values from its complete rows, around which coordinates are laid.

Each continuous node is a regression on its continuous parents within every configuration c of its discrete ones. Over the
rows that have node and parents (available cases), with design u = (1, s) and the prior of `network`,

    Lambda_c = lambda + sum u u',   b_c = Lambda_c^-1 (lambda m0 + sum u x),   v_c = (c0 + residual and prior misfit) / shape

is the normal-inverse-gamma posterior (Gelman et al., Bayesian Data Analysis, 14). The anchors only choose coordinates in
which the posterior is near normal; the posterior itself does not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..model.parameters import Anchor
from ..table import Cases

Place = tuple[float, float]


def anchors(
    name: str,
    cases: Cases,
    causes: Sequence[Tensor],
    shape: Sequence[int],
    numbers: Sequence[str],
    places: Sequence[Place],
    precision: float,
) -> dict[str, Anchor]:
    """Anchors of ``<name>_mean`` and ``<name>_slopes``.

    causes: codes (cases,) of each discrete parent, -1 where unknown, with ``shape`` values each. numbers: the continuous
    parents. places: (center, spread) of the node itself and then of each of those.
    """
    (center, spread), *others = places
    column = cases.columns[name]
    seen = column.observed.clone()
    design = [torch.ones(len(cases), dtype=torch.float64)]
    for parent, (middle, unit) in zip(numbers, others, strict=True):
        seen &= cases.columns[parent].observed
        design.append((cases.columns[parent].values - middle) / unit)
    at = torch.zeros(len(cases), dtype=torch.int64)
    for codes, size in zip(causes, shape, strict=True):
        seen &= codes >= 0
        at = at * size + codes.long()
    u, x = torch.stack(design, -1)[seen], column.values[seen] - center
    configurations = int(torch.tensor(shape).prod()) if shape else 1
    p = u.shape[1]
    total = torch.zeros(configurations, p, p, dtype=torch.float64)
    total.index_add_(0, at[seen], u[:, :, None] * u[:, None, :])
    moment = torch.zeros(configurations, p, dtype=torch.float64).index_add_(
        0, at[seen], u * x[:, None]
    )
    square = torch.zeros(configurations, dtype=torch.float64).index_add_(0, at[seen], x**2)
    n = torch.zeros(configurations, dtype=torch.float64).index_add_(0, at[seen], torch.ones_like(x))
    root = torch.linalg.cholesky(total + precision * torch.eye(p, dtype=torch.float64))
    b = torch.cholesky_solve(moment[..., None], root)[..., 0]
    rate = (0.7 * spread) ** 2 + 0.5 * (square - (b * moment).sum(-1))
    unit_variance = (rate / (2.0 + 0.5 * n)).reshape(list(shape))
    variance = f"{name}_variance"
    by_site = {
        f"{name}_mean": Anchor(variance, center + b[:, 0].reshape(list(shape)), unit_variance)
    }
    if numbers:
        slopes = b[:, 1:].reshape([*shape, len(numbers)])
        by_site[f"{name}_slopes"] = Anchor(variance, slopes, unit_variance)
    return by_site
