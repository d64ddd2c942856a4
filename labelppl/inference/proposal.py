"""What importance sampling draws from: normals with heavy tails, one for each mode.

    q = sum_m s_m [(1 - a) N(m_m, S_m) + a t_4(m_m, S_m)]

with shares s_m and a the share of the tails. The normals carry the efficiency, the t bounds the weights in the tails
(a defensive mixture: Hesterberg 1995).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from ..seeds import Stream

TAIL_SHARE = 0.1
TAIL_DOF = 4
#: Share of the draws that is spread evenly over the components, so that none is forgotten.
EVEN_SHARE = 0.02


class Mixture(NamedTuple):
    """means (components, dim); roots (components, dim, dim) upper triangular, S = root root'; shares (components,)."""

    means: Tensor
    roots: Tensor
    shares: Tensor

    def sample(self, draws: int, stream: Stream) -> Tensor:
        """Draws (draws, dim), component by component; each has its share of them, up to rounding."""
        white = standard_normals(draws, self.means.shape[1], stream).to(self.means)
        counts = share_out(self.shares, draws)
        points = []
        for m, part in enumerate(white.split(counts)):
            shifts = part @ self.roots[m].mT
            points.append(self.means[m] + with_tails(shifts, stream.stream("tails", m)))
        return torch.cat(points)

    def log_parts(self, points: Tensor) -> Tensor:
        """log s_m q_m at points (draws, dim): (draws, components)."""
        parts = []
        for mean, root, share in zip(self.means, self.roots, self.shares, strict=True):
            white = torch.linalg.solve_triangular(root, (points - mean).mT, upper=True)
            log_peak = -root.diagonal().abs().log().sum() - 0.5 * len(root) * math.log(2 * math.pi)
            log_normal = log_peak - 0.5 * white.square().sum(0)
            parts.append(share.log() + log_mixture(log_normal, log_peak, len(root), TAIL_SHARE))
        return torch.stack(parts, -1)

    def adapt(self, points: Tensor, log_weights: Tensor) -> Mixture:
        """Each component moved to the weighted mean of its draws and stretched, axis by axis, to their weighted SD.

        points (draws, dim) with log_weights (draws,) that sum to one. The stretch stays between .5 and 3. Whole
        covariances are not matched: with few effective draws in many dimensions they overfit.
        """
        parts = self.log_parts(points)
        own = (log_weights[:, None] + parts - torch.logsumexp(parts, -1, keepdim=True)).exp()
        masses = own.sum(0)
        means, roots = self.means.clone(), self.roots.clone()
        for m in range(len(masses)):
            if float(masses[m]) < 1 / len(points):  # no draw speaks for this component
                continue
            share = own[:, m : m + 1] / masses[m]
            means[m] = (share * points).sum(0)
            sd = (share * (points - means[m]).square()).sum(0).sqrt()
            ratio = (sd / self.roots[m].square().sum(1).sqrt()).clamp(0.5, 3.0)
            roots[m] = ratio[:, None] * self.roots[m]
        return Mixture(means, roots, shares_of(masses))


def shares_of(masses: Tensor) -> Tensor:
    """Shares (components,) in proportion to the masses, with a little for each component whatever its mass."""
    return (1 - EVEN_SHARE) * masses / masses.sum() + EVEN_SHARE / len(masses)


def share_out(shares: Tensor, n: int) -> list[int]:
    """``n`` draws shared out in whole numbers."""
    ends = (shares.cumsum(0) * n).round().long().tolist()
    ends[-1] = n
    return [end - first for first, end in zip([0, *ends[:-1]], ends, strict=True)]


def standard_normals(draws: int, dim: int, stream: Stream) -> Tensor:
    """Standard normal draws (draws, dim), float64, in random order.

    They are scrambled Sobol points (Owen 1997): each is standard normal, together they fill the space
    more evenly than independent ones, so that averages over them are several times as accurate. Their
    order is shuffled, since every other point of a Sobol sequence lies in one half of the space.
    """
    if dim > SobolEngine.MAXDIM:
        return torch.randn(draws, dim, generator=stream.torch(), dtype=torch.float64)
    scramble = stream.stream("scramble").integer()
    uniform = SobolEngine(dim, scramble=True, seed=scramble).draw(draws, dtype=torch.float64)
    uniform = uniform[torch.randperm(draws, generator=stream.stream("order").torch())]
    middle = 0.5**31  # the points are multiples of 2^-30, 0 among them
    return torch.special.ndtri(uniform + middle)


def with_tails(shifts: Tensor, stream: Stream, share: float = TAIL_SHARE) -> Tensor:
    """Draws (draws, dim) of a normal around 0, with the first ``share`` of them made draws of t_4."""
    tails = round(share * len(shifts))
    normals = torch.randn(tails, TAIL_DOF, generator=stream.torch(), dtype=shifts.dtype)
    chi = (normals.square().sum(-1, keepdim=True) / TAIL_DOF).sqrt().to(shifts.device)
    return torch.cat([shifts[:tails] / chi, shifts[tails:]])


def log_mixture(log_normal: Tensor, log_peak: Tensor, dim: int, share: float) -> Tensor:
    """log of (1 - share) N + share t_4 (draws,), both with the normal's location and scale.

    log_normal: the normal's log density (draws,); log_peak: the same at its mean.
    """
    radius = 2 * (log_peak - log_normal)
    log_t = (
        log_peak
        + 0.5 * dim * math.log(2 / TAIL_DOF)
        + math.lgamma((TAIL_DOF + dim) / 2)
        - math.lgamma(TAIL_DOF / 2)
        - 0.5 * (TAIL_DOF + dim) * torch.log1p(radius / TAIL_DOF)
    )
    return torch.logaddexp(log_normal + math.log1p(-share), log_t + math.log(share))
