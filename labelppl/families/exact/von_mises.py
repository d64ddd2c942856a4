"""Class-conditional von Mises angle: the mean direction in closed form, the concentration by quadrature.

Prior of the class: mu ~ vM(phi, k0) and kappa ~ any law on the positive numbers, and with C complex the
sum of exp(i theta) over the n angles of the class,

    Z(C, n) = integral of p(kappa) I0(|k0 e^{i phi} + kappa C|) / I0(kappa)^n d kappa
    p(theta | D)      = Z(C + e^{i theta}, n + 1) / {2 pi Z(C, n)}
    p(theta_i | D_-i) = Z(C, n) / {2 pi Z(C - e^{i theta_i}, n - 1)}
    mu | kappa, D ~ vM(arg(k0 e^{i phi} + kappa C), |k0 e^{i phi} + kappa C|)

The integral runs over log kappa by Gauss-Legendre where the posterior has mass (down to e^-60 of its
top, so that taking out or adding one case stays inside). Sources: Guttorp and Lockhart (JASA 83, 1988)
for the conjugate pair, Mardia and Jupp (2000).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...distributions._base import gauss_legendre
from ...distributions.von_mises import log_i0, offset_log_density, sample_offsets
from ...features import Column
from ...seeds import Stream
from .evidence import Evidence, exactly
from .factor import Factor, labelled, refuse_censored

_NODES = 72
_FLOOR = 60.0


@dataclass(frozen=True)
class VonMisesPrior:
    """mu ~ vM(`direction`, `certainty`), radians, and kappa ~ `concentration`, a torch distribution."""

    direction: float
    certainty: float
    concentration: Any


@dataclass(frozen=True)
class VonMisesEvidence(Evidence):
    """Angles as points of the unit circle, complex (cases,), and where they were ``observed``; own (cases,): labels left out."""

    factor: VonMisesFactor
    angle: Tensor
    observed: Tensor
    own: Tensor | None

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        pieces = [
            self._log_z(k, self._out(k), torch.ones_like(self.angle))
            - self._log_z(k, self._out(k), torch.zeros_like(self.angle))
            for k in range(len(self.factor.count))
        ]
        out = torch.stack(pieces, -1) - math.log(2 * math.pi)
        return torch.where(self.observed[:, None], out, 0.0)

    @property
    def khat(self) -> Tensor:
        """(cases,) not a number: the concentrations are a quadrature."""
        return exactly(len(self.angle))

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        pieces = [
            self._draw(k, chosen == k, numbers.stream(k)) for k in range(len(self.factor.count))
        ]
        return torch.where(self.observed[:, None, None], torch.stack(pieces, -1), 0.0)

    def _draw(self, k: int, into: Tensor, numbers: Stream) -> Tensor:
        """log density (cases, draws) under drawn parameters of class ``k``, which the case is put into where ``into``."""
        u, turn = torch.rand(2, into.shape[1], generator=numbers.torch(), dtype=torch.float64)
        nodes = []
        for own in (torch.zeros_like(self.angle), torch.ones_like(self.angle)):
            cumulative = torch.softmax(self._integrand(k, self._out(k), own), -1).cumsum(-1)
            levels = u.expand(len(cumulative), -1).contiguous()
            nodes.append(torch.searchsorted(cumulative / cumulative[:, -1:], levels))
        node = torch.where(into, nodes[1], nodes[0]).clamp(max=self.factor.log_nodes.shape[1] - 1)
        kappa = torch.exp(self.factor.log_nodes[k][node])
        point = torch.polar(torch.ones_like(self.angle), self.angle)[:, None]
        total = self.factor.resultant[k] + point * (into.double() - self._out(k)[:, None])
        pull = self.factor.prior.certainty * _unit(self.factor.prior.direction) + kappa * total
        away = self.angle[:, None] - pull.angle() - _offsets(turn, pull.abs())
        return offset_log_density(away, kappa)

    def _out(self, k: int) -> Tensor:
        """(cases,) one where the case is taken out of class ``k``."""
        if self.own is None:
            return torch.zeros_like(self.angle)
        return ((self.own == k) & self.observed).double()

    def _integrand(self, k: int, out: Tensor, into: Tensor) -> Tensor:
        """(cases, nodes) log of the integrand over log kappa, the case taken ``out`` of the class and put ``into`` it."""
        point = torch.polar(torch.ones_like(self.angle), self.angle)
        total = self.factor.resultant[k] + point * (into - out)
        count = (self.factor.count[k] + into - out)[:, None]
        log_nodes = self.factor.log_nodes[k]
        integrand = _log_marginal(self.factor.prior, log_nodes, total[:, None], count)
        return integrand + self.factor.log_weights[k]

    def _log_z(self, k: int, out: Tensor, into: Tensor) -> Tensor:
        return torch.logsumexp(self._integrand(k, out, into), -1)


@dataclass(frozen=True)
class VonMisesFactor(Factor):
    """Posterior of the class directions and concentrations.

    resultant (classes,) complex sums of exp(i theta); count (classes,). log_nodes, log_weights
    (classes, nodes): log kappa, and the log of quadrature weight times prior density of kappa.
    """

    site: str
    column: Column
    labels: Tensor
    prior: VonMisesPrior
    resultant: Tensor
    count: Tensor
    log_nodes: Tensor
    log_weights: Tensor
    mean_site: str = "mean"
    concentration_site: str = "concentration"

    @classmethod
    def fit(
        cls, site: str, column: Column, labels: Tensor, classes: int, prior: VonMisesPrior
    ) -> VonMisesFactor:
        """column.values (cases,) in radians; labels (cases,); unmeasured angles add nothing."""
        labels = labelled(labels, classes)
        refuse_censored(site, column)
        point = torch.polar(column.observed.double(), column.values.double())
        member = torch.nn.functional.one_hot(labels, classes).double()
        resultant = torch.complex(member.T @ point.real, member.T @ point.imag)
        count = member.T @ column.observed.double()
        grids = [_grid(prior, r, n, _NODES) for r, n in zip(resultant, count, strict=True)]
        nodes = torch.stack([g[0] for g in grids])
        weights = torch.stack([g[1] for g in grids])
        return cls(site, column, labels, prior, resultant, count, nodes, weights)

    def fitted_columns(self) -> Mapping[str, Column]:
        return {self.site: self.column}

    def new(self, columns: Mapping[str, Column]) -> Evidence:
        column = columns[self.site]
        refuse_censored(self.site, column)
        return VonMisesEvidence(self, column.values.double(), column.observed, None)

    def left_out(self, rows: Tensor) -> Evidence:
        column = self.column.take(rows)
        own = self.labels[rows]
        return VonMisesEvidence(self, column.values.double(), column.observed, own)

    def draw(self, n: int) -> dict[str, Tensor]:
        means, concentrations = [], []
        for k in range(len(self.count)):
            kappa = self._draw_concentration(k, n)
            pull = self.prior.certainty * _unit(self.prior.direction) + kappa * self.resultant[k]
            offset = sample_offsets(pull.abs().clamp(min=1e-8), torch.Size())
            turned = pull.angle() + offset - self.prior.direction
            turned = torch.remainder(turned + math.pi, 2 * math.pi) - math.pi
            means.append(self.prior.direction + turned)
            concentrations.append(kappa)
        return {
            self.mean_site: torch.stack(means, -1),
            self.concentration_site: torch.stack(concentrations, -1),
        }

    def _draw_concentration(self, k: int, n: int) -> Tensor:
        """Inverse of the distribution function of log kappa, tabulated on 4,000 even steps."""
        low, high = self.log_nodes[k].min(), self.log_nodes[k].max()
        x = torch.linspace(float(low), float(high), 4001, dtype=torch.float64)
        log_p = _log_marginal(self.prior, x, self.resultant[k], self.count[k])
        log_p = log_p + self.prior.concentration.log_prob(torch.exp(x)) + x
        p = torch.exp(log_p - log_p.max())
        area = torch.cat([p.new_zeros(1), ((p[1:] + p[:-1]) / 2).cumsum(0)])
        u = torch.rand(n, dtype=torch.float64) * area[-1]
        right = torch.searchsorted(area, u).clamp(1, len(x) - 1)
        share = (u - area[right - 1]) / (area[right] - area[right - 1]).clamp(min=1e-300)
        return torch.exp(x[right - 1] + share * (x[1] - x[0]))


def _offsets(levels: Tensor, concentration: Tensor) -> Tensor:
    """Quantiles (cases, draws) at ``levels`` (draws,) of von Mises laws around zero, by interpolation in log concentration."""
    log_grid = torch.linspace(-6.0, 14.0, 161, dtype=torch.float64)
    width = (1 + torch.exp(log_grid)).rsqrt()
    steps = torch.linspace(-1.0, 1.0, 1001, dtype=torch.float64)
    quantiles = []
    for log_kappa, unit in zip(log_grid, width, strict=True):
        x = steps * min(math.pi, 12 * float(unit))
        mass = torch.exp(offset_log_density(x, torch.exp(log_kappa)))
        cdf = torch.cat([mass.new_zeros(1), ((mass[1:] + mass[:-1]) / 2).cumsum(0)])
        quantiles.append(
            np.interp(levels.numpy(), (cdf / cdf[-1]).numpy(), x.numpy()) / float(unit)
        )
    table = torch.from_numpy(np.stack(quantiles))
    at = ((concentration.clamp(min=1e-9).log() + 6.0) / 0.125).clamp(0, 160 - 1e-9)
    left = at.floor().long()
    draws = torch.arange(len(levels)).expand_as(left)
    share = at - left
    scaled = (1 - share) * table[left, draws] + share * table[left + 1, draws]
    return scaled * (1 + concentration).rsqrt()


def _unit(angle: float) -> complex:
    return complex(math.cos(angle), math.sin(angle))


def _log_marginal(
    prior: VonMisesPrior, log_kappa: Tensor, resultant: Tensor, count: Tensor
) -> Tensor:
    """log of I0(|k0 e^{i phi} + kappa C|) / I0(kappa)^n, without the prior of kappa."""
    kappa = torch.exp(log_kappa)
    pull = prior.certainty * _unit(prior.direction)
    length = torch.hypot(pull.real + kappa * resultant.real, pull.imag + kappa * resultant.imag)
    return log_i0(length) - count * log_i0(kappa)


def _grid(prior: VonMisesPrior, resultant: Tensor, count: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Log nodes and log weights (nodes,) over the part of log kappa that holds the posterior.

    The window also holds the posterior without one case and the posterior with a contrary one. It is
    found on a coarse grid and again on a fine one, since a prior may all but fix kappa.
    """
    low, high = -14.0, 34.0
    for _ in range(2):
        low, high = _window(prior, resultant, count, low, high)
    x = resultant.real.new_tensor([low, high])
    nodes, weights = gauss_legendre(n, x)
    at = low + (high - low) * nodes
    log_weights = torch.log(weights * (high - low))
    return at, log_weights + prior.concentration.log_prob(torch.exp(at)) + at


def _window(
    prior: VonMisesPrior, resultant: Tensor, count: Tensor, low: float, high: float
) -> tuple[float, float]:
    x = torch.linspace(low, high, 1201, dtype=torch.float64)
    log_prior = prior.concentration.log_prob(torch.exp(x)) + x
    contrary = resultant - resultant / resultant.abs().clamp(min=1e-12)
    starts, ends = [], []
    for total, n in (
        (resultant, count),
        (contrary, (count - 1).clamp(min=0)),
        (contrary, count + 1),
    ):
        log_p = _log_marginal(prior, x, total, n) + log_prior
        inside = (log_p > log_p.max() - _FLOOR).nonzero()[:, 0]
        starts.append(int(inside[0]))
        ends.append(int(inside[-1]))
    return float(x[max(min(starts) - 1, 0)]), float(x[min(max(ends) + 1, len(x) - 1)])
