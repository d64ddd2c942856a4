"""Integrals of exp(a quadratic), and of a normal density over an interval, in logs.

With f(z) = c + g.z - z.P.z / 2 and P positive definite,

    log integral of exp f = c + g.m / 2 + (d log 2 pi - log det P) / 2,    P m = g,

and if z_j is known only to lie in [a, b], the mass of N(m_j, (P^-1)_jj) on [a, b] multiplies it. f is known by its values
at 1 + 2 d + d (d - 1) / 2 points, 0, +-e_i and e_i + e_j, which determine c, g and P exactly.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from ..distributions.log_tails import log_ndtr


@cache
def probes(d: int) -> Tensor:
    """The points (points, d) at which a quadratic in d variables is evaluated."""
    if d == 0:
        return torch.zeros(1, 0, dtype=torch.float64)
    eye = torch.eye(d, dtype=torch.float64)
    pairs = [eye[i] + eye[j] for i in range(d) for j in range(i)]
    return torch.stack([torch.zeros(d, dtype=torch.float64), *eye, *-eye, *pairs])


def coefficients(f: Tensor, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """c (...), g (..., d) and P (..., d, d) of the quadratic with the values ``f`` (points, ...) at `probes`."""
    c, up, down, pairs = f[0], f[1 : d + 1], f[d + 1 : 2 * d + 1], f[2 * d + 1 :]
    g, curve = 0.5 * (up - down), up + down - 2.0 * c
    rows = []
    for i in range(d):
        row = []
        for j in range(d):
            a, b = max(i, j), min(i, j)
            # f(e_i + e_j) - f(e_i) - f(e_j) + f(0) is the mixed second difference.
            mixed = None if i == j else pairs[a * (a - 1) // 2 + b] - up[i] - up[j] + c
            row.append(curve[i] if mixed is None else mixed)
        rows.append(torch.stack(row, -1))
    return c, g.movedim(0, -1), -torch.stack(rows, -2)


def log_integral(
    f: Tensor,
    d: int,
    bounded: int | None = None,
    low: Tensor | None = None,
    high: Tensor | None = None,
) -> Tensor:
    """Log integral (...) of exp of the quadratic with the values ``f`` (points, ...) at `probes`.

    bounded: the coordinate known to lie between low and high, each broadcastable to (...). NaN where P is not positive
    definite, since the integral then diverges.
    """
    c, g, precision = coefficients(f, d)
    root, failed = torch.linalg.cholesky_ex(precision)
    mean = torch.cholesky_solve(g.unsqueeze(-1), root).squeeze(-1)
    log_det = 2.0 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    total = c + 0.5 * (g * mean).sum(-1) + 0.5 * (d * math.log(2 * math.pi) - log_det)
    if bounded is not None:
        assert low is not None
        assert high is not None
        unit = torch.zeros_like(g)
        unit[..., bounded] = 1.0
        half = torch.linalg.solve_triangular(root, unit.unsqueeze(-1), upper=False).squeeze(-1)
        sd = half.square().sum(-1).sqrt()
        centre = mean[..., bounded]
        below, above = low == -torch.inf, high == torch.inf
        a = (torch.where(below, centre, low) - centre) / sd
        b = (torch.where(above, centre, high) - centre) / sd
        total = total + log_normal_mass(a, b, below, above)
    return torch.where(failed == 0, total, torch.nan)


def log_normal_mass(a: Tensor, b: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """log(Phi(b) - Phi(a)), accurate in both tails; a counts as -inf where ``below``, b as inf where ``above``."""
    # By symmetry the interval may be mirrored to the side on which log Phi is accurate.
    mirrored = torch.where(below, False, torch.where(above, True, a + b > 0))
    upper = torch.where(mirrored, -a, b)
    lower = torch.where(mirrored, -b, a)
    open_end = torch.where(mirrored, above, below)
    top = log_ndtr(upper)
    gap = torch.where(open_end | (upper <= lower), -1.0, log_ndtr(lower) - top)
    gap = torch.where(gap < 0, gap, -torch.finfo(top.dtype).tiny)
    closed = top + torch.log(-torch.expm1(gap))
    both = below & above
    return torch.where(both, 0.0, torch.where(open_end, top, closed))
