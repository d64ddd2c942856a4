"""The posterior of class means and covariances, given weighted values ("nodes") of what the classes share.

Given the scale that the classes share (`shared_scale`), class k with n rows of mean zbar has, in standard units,

    kappa_n = kappa0 + n,   m_n = n zbar / kappa_n,   Psi_n = delta c_k S + W_k,   nu_n = delta + d - 1 + n
    z | D ~ t_{nu_n - d + 1}(m_n, Psi_n (kappa_n + 1) / (kappa_n (nu_n - d + 1)))

With q = (z - m_n)^T Psi_n^{-1} (z - m_n), taking z out of the class or putting it in changes numbers only:

    out   s = kappa / (kappa - 1)   q <- s^2 q / (1 - s q)   log|Psi| += log(1 - s q)   kappa, nu less one
    in    r = kappa / (kappa + 1)   q <- r^2 q / (1 + r q)   log|Psi| += log(1 + r q)   kappa, nu more by one

Missing coordinates: the marginal t keeps the same degrees of freedom. Sources: Murphy (2007), 9; the up- and down-dates are
the Sherman-Morrison identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...arrays import Array
from .wishart import wishart


@dataclass(frozen=True)
class GaussianNodes:
    """center, unit (d,): of the standard units. kappa, count (classes,). mean (1 or nodes, classes, d) and scatter (1 or
    nodes, classes, d, d): zbar's pull m_n, and W_k. scale (nodes, d, d), worth (nodes,), size (nodes, classes), log_weights (nodes,), spread
    (nodes, d) or None: as in `SharedScale`.
    """

    center: Tensor
    unit: Tensor
    count: Tensor
    kappa: Tensor
    mean: Tensor
    scatter: Tensor
    scale: Tensor
    worth: Tensor
    size: Tensor
    log_weights: Tensor
    spread: Tensor | None

    def at(self, k: int, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """m_n (nodes, d) and Psi_n (nodes, d, d) of class ``k`` at ``nodes``, in standard units."""
        where = nodes if len(self.mean) > 1 else torch.zeros_like(nodes)
        cases = (self.worth * self.size[:, k])[nodes]
        psi = cases[:, None, None] * self.scale[nodes] + self.scatter[where, k]
        return self.mean[where, k], psi

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Tensor, Tensor]:
        """A node, the class means (draws, classes, d) and roots of the covariances (draws, classes, d, d), in the model's unit."""
        weights = self.log_weights.exp().numpy()
        node = np.sort(rng.choice(len(weights), n, p=weights / weights.sum()))
        rng.shuffle(node)
        at, d = torch.from_numpy(node), len(self.center)
        means, roots = [], []
        for k in range(len(self.count)):
            mean, psi = self.at(k, at)
            degrees = self.worth[at] + d - 1 + self.count[k]
            root = _inverse_root(rng, degrees.numpy(), psi.numpy())
            noise = torch.from_numpy(rng.normal(size=(n, d, 1)))
            step = (root @ noise)[..., 0] / math.sqrt(float(self.kappa[k]))
            means.append(self.center + self.unit * (mean + step))
            roots.append(self.unit[:, None] * root)
        return node, torch.stack(means, 1), torch.stack(roots, 1)


class Distances(NamedTuple):
    """What z sees of a class at its nodes: q and log|Psi| (cases, nodes), for p numbers."""

    q: Tensor
    log_det: Tensor


def distances(posterior: GaussianNodes, z: Tensor, kept: Tensor, k: int) -> Distances:
    """Distances of ``z`` (cases, p) from class ``k`` at every node."""
    nodes, p = torch.arange(len(posterior.worth)), len(kept)
    if p == 0:
        return Distances(z.new_zeros(len(z), len(nodes)), z.new_zeros(len(nodes)))
    mean, psi = posterior.at(k, nodes)
    root = torch.linalg.cholesky(psi[:, kept][:, :, kept])
    eye = torch.eye(p, dtype=z.dtype).expand_as(root)
    inverse = torch.linalg.solve_triangular(root, eye, upper=False)
    shift = (inverse @ mean[:, kept, None])[..., 0]
    # Number by number: a sum over an axis as short as p would cost more than the products.
    q = z.new_zeros(len(z), len(nodes))
    for j in range(p):
        q += torch.addmm(shift[:, j], z, inverse[:, j].T, beta=-1).square_()
    log_det = 2 * torch.log(root.diagonal(dim1=-2, dim2=-1)).sum(-1)
    return Distances(q, log_det)


def log_t(posterior: GaussianNodes, state: Distances, k: int, p: int, own: Tensor | None) -> Tensor:
    """log predictive density (cases, nodes) of class ``k``, from which the cases of that label are taken out."""
    q, log_det = state.q, state.log_det.expand_as(state.q)
    kappa, df = float(posterior.kappa[k]), posterior.worth + posterior.count[k]
    constant = _log_constant(df, p, kappa / (kappa + 1)).expand_as(q)
    power, r = (df + p) / 2, torch.full_like(q[:, :1], kappa / (kappa + 1))
    if own is not None:
        mine = (own == k)[:, None]
        q, log_det = take_out(q, log_det, kappa, mine)
        constant = torch.where(mine, _log_constant(df - 1, p, (kappa - 1) / kappa), constant)
        power = power - 0.5 * mine.to(q)
        r = torch.where(mine, (kappa - 1) / kappa, r)
    return constant - 0.5 * log_det - power * torch.log1p(r * q)


def _log_constant(df: Tensor, p: int, r: float) -> Tensor:
    """(nodes,) what the log t density has beside the distance; of no use where df is not positive."""
    df = df.clamp(min=1e-3)
    gammas = torch.lgamma((df + p) / 2) - torch.lgamma(df / 2)
    return gammas + 0.5 * p * (math.log(max(r, 1e-300)) - math.log(math.pi))


def take_out(q: Tensor, log_det: Tensor, kappa: float, mine: Tensor) -> tuple[Tensor, Tensor]:
    """q and log|Psi| without the case itself, where it is ``mine``."""
    if not bool(mine.any()):
        return q, log_det
    s = kappa / (kappa - 1)
    left = torch.where(mine, 1 - s * q, 1.0)
    return torch.where(mine, s**2 * q / left, q), log_det + torch.log(left)


def _inverse_root(rng: np.random.Generator, df: np.ndarray, psi: np.ndarray) -> Tensor:
    """Lower Cholesky factors of draws of IW(df, psi), (draws, d, d)."""
    precision = wishart(rng, df, psi)
    return torch.linalg.cholesky(torch.linalg.inv(torch.from_numpy(precision)))
