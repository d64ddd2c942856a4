"""Class-conditional regression of a number on an angle, the coefficients and the variance integrated out.

    x | alpha, y = k ~ N(b_k . u, v_k),   u = (1, cos alpha, sin alpha),   b_k | v_k ~ N(m0, v_k / lambda)
    v_k ~ InverseGamma(delta / 2, delta S / 2),   S and delta shared by the classes (`shared_scale`, d = 1)

With P = diag(lambda) + sum u u^T, m = P^-1 (lambda m0 + sum u x), rate = (delta S + W) / 2 and shape = (delta + n) / 2, W the
residual sum of squares with the pull of the prior, and for a case with residual e = x - m . u and leverage l = u^T P^-1 u:

    predictive   t_{2 shape}(m . u, rate / shape (1 + l))
    out of it    e <- e / (1 - l)   rate -= e^2 / (2 (1 - l))   shape -= 1/2   l <- l / (1 - l)
    into it      e <- e / (1 + l)   rate += e^2 / (2 (1 + l))   shape += 1/2   l <- l / (1 + l)
    density      log N(x; x - e + sqrt(v l) N(0, 1), v),  v ~ InverseGamma(shape, rate)    in distribution

An angle alone says nothing about the number; a number without its angle is refused by row. Source: Gelman et al., Bayesian
Data Analysis, 14; the harmonic design is Mardia and Jupp's (2000), 11.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...features import Column
from ...seeds import Stream
from .draws import CHANGES, draw_nodes, log_gamma_draws
from .evidence import Evidence, exactly
from .factor import Factor, labelled, refuse_censored
from .shared_scale import SPREAD_FLOOR
from .shared_scale_grid import draw_spread, on_grid


@dataclass(frozen=True)
class Coefficients:
    """Prior of the coefficients: mean (p,) and precision (p,) in units of 1 / variance; unit: SD of the response."""

    mean: Tensor
    precision: Tensor
    unit: float


def harmonic_design(angle: Tensor) -> Tensor:
    """(cases,) radians -> (cases, 3): one, cosine, sine."""
    return torch.stack([torch.ones_like(angle), torch.cos(angle), torch.sin(angle)], -1)


@dataclass(frozen=True)
class RegressionEvidence(Evidence):
    """residual, leverage (cases, classes); shape and rate (nodes, classes) of the variances; own (cases,) the label that is
    left out, or None. by_node (cases, classes, nodes): log predictive; log_weights (cases, nodes).
    """

    residual: Tensor
    leverage: Tensor
    shape: Tensor
    rate: Tensor
    own: Tensor | None
    present: Tensor
    by_node: Tensor
    log_weights: Tensor

    @classmethod
    def of(
        cls, factor: RegressionFactor, columns: Mapping[str, Column], own: Tensor | None
    ) -> RegressionEvidence:
        """What the factor says of cases with these columns."""
        design, x, present = _rows(factor.angle, factor.response, columns)
        residual = x[:, None] - design @ factor.mean.T
        leverage = torch.einsum("ia,kab,ib->ik", design, factor.inverse, design)
        out = torch.zeros_like(residual, dtype=torch.bool)
        if own is not None:
            out = torch.nn.functional.one_hot(own, len(factor.mean)).bool() & present[:, None]
        e, lev, a, b = _move(
            residual[..., None],
            leverage[..., None],
            factor.shape.T,
            factor.rate.T,
            out[..., None],
            -1,
        )
        gammas = [_log_gammas(2 * factor.shape.T - less) for less in (0, 1)]
        constant = torch.where(out[..., None], gammas[1], gammas[0])
        scale2 = b / a * (1 + lev)
        by_node = (
            constant
            - 0.5 * torch.log(2 * math.pi * a * scale2)
            - (a + 0.5) * torch.log1p(e**2 / (2 * a * scale2))
        )
        by_node = torch.where(present[:, None, None], by_node, 0.0)
        log_weights = factor.log_weights.expand(len(x), -1)
        if own is not None:
            log_weights = log_weights - by_node[torch.arange(len(x)), own]
        log_weights = torch.log_softmax(log_weights, -1)
        return cls(
            residual, leverage, factor.shape, factor.rate, own, present, by_node, log_weights
        )

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        return torch.logsumexp(self.by_node + self.log_weights[:, None], -1)

    @property
    def khat(self) -> Tensor:
        """(cases,) not a number: the nodes are a quadrature."""
        return exactly(len(self.residual))

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        node = draw_nodes(self.by_node, self.log_weights, chosen, numbers.stream("node"))
        draws = torch.arange(chosen.shape[1])
        generator = numbers.stream("coefficients").torch()
        out = []
        for k in range(self.residual.shape[1]):
            e, lev = self.residual[:, k, None], self.leverage[:, k, None]
            shapes, index = torch.unique(self.shape[:, k], return_inverse=True)
            log_gamma = log_gamma_draws(shapes[:, None] + CHANGES / 2, len(draws), generator)
            noise = torch.randn(len(draws), generator=generator, dtype=e.dtype)
            mine = torch.zeros_like(self.present)
            if self.own is not None:
                mine = (self.own == k) & self.present
            into = chosen == k
            a, b = self.shape[node, k], self.rate[node, k]
            e, lev, a, b = _move(e, lev, a, b, mine[:, None], -1)
            e, lev, a, b = _move(e, lev, a, b, into, 1)
            change = 1 + into.long() - mine.long()[:, None]
            log_variance = torch.log(b) - log_gamma[index[node], change, draws]
            away = e / torch.exp(log_variance / 2) - lev.sqrt() * noise
            out.append(-0.5 * (math.log(2 * math.pi) + log_variance + away**2))
        return torch.where(self.present[:, None, None], torch.stack(out, -1), 0.0)


@dataclass(frozen=True)
class RegressionFactor(Factor):
    """Posterior of the regression of `response` on the angle `angle` in each class.

    mean (classes, 3) and inverse (classes, 3, 3) of P; shape, rate (nodes, classes) and log_weights (nodes,).
    """

    angle: str
    response: str
    columns: Mapping[str, Column]
    labels: Tensor
    mean: Tensor
    inverse: Tensor
    shape: Tensor
    rate: Tensor
    scale: Tensor
    unit: float
    log_weights: Tensor

    @classmethod
    def fit(
        cls,
        angle: str,
        response: str,
        columns: Mapping[str, Column],
        labels: Tensor,
        classes: int,
        prior: Coefficients,
    ) -> RegressionFactor:
        """Rows without the response add nothing; a response without its angle is refused by row."""
        labels = labelled(labels, classes)
        design, x, present = _rows(angle, response, columns)
        member = torch.nn.functional.one_hot(labels, classes).to(x) * present[:, None]
        precision = torch.diag(prior.precision) + torch.einsum(
            "ik,ia,ib->kab", member, design, design
        )
        moment = prior.precision * prior.mean + torch.einsum("ik,ia,i->ka", member, design, x)
        inverse = torch.linalg.inv(precision)
        mean = (inverse @ moment[..., None])[..., 0]
        residual = x[:, None] - design @ mean.T
        squares = (member * residual**2).sum(0) + ((mean - prior.mean) ** 2 * prior.precision).sum(
            -1
        )
        w = SPREAD_FLOOR + squares / prior.unit**2
        count = member.sum(0)
        shared = on_grid(w.numpy(), count.numpy())
        worth, scale = torch.from_numpy(shared.worth), torch.from_numpy(shared.scale)[:, 0, 0]
        return cls(
            angle,
            response,
            {angle: columns[angle], response: columns[response]},
            labels,
            mean,
            inverse,
            (worth[:, None] + count) / 2,
            ((worth * scale)[:, None] + w) / 2 * prior.unit**2,
            scale,
            prior.unit,
            torch.from_numpy(shared.log_weights),
        )

    def fitted_columns(self) -> Mapping[str, Column]:
        return self.columns

    def new(self, columns: Mapping[str, Column]) -> Evidence:
        return RegressionEvidence.of(self, columns, None)

    def left_out(self, rows: Tensor) -> Evidence:
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return RegressionEvidence.of(self, columns, self.labels[rows])

    def draw(self, n: int) -> dict[str, Tensor]:
        node = torch.multinomial(self.log_weights.exp(), n, replacement=True)
        variance = self.rate[node] / torch._standard_gamma(self.shape[node])
        root = torch.linalg.cholesky(self.inverse)
        noise = torch.randn(n, *self.mean.shape, dtype=self.mean.dtype)
        step = (root @ noise[..., None])[..., 0] * torch.sqrt(variance)[..., None]
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        spread = draw_spread(self.scale.numpy(), node.numpy(), rng)
        return {
            f"{self.response}_coefficients": self.mean + step,
            f"{self.response}_scale_tril": torch.sqrt(variance)[..., None, None],
            f"{self.response}_spread": torch.from_numpy(spread) * self.unit,
        }


def _move(
    e: Tensor, leverage: Tensor, shape: Tensor, rate: Tensor, where: Tensor, way: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Residual, leverage, shape and rate with the case itself taken out (way = -1) or put in (1) ``where`` it is to be."""
    left = 1 + way * leverage
    return (
        torch.where(where, e / left, e),
        torch.where(where, leverage / left, leverage),
        torch.where(where, shape + 0.5 * way, shape),
        torch.where(where, rate + 0.5 * way * e**2 / left, rate),
    )


def _rows(
    angle: str, response: str, columns: Mapping[str, Column]
) -> tuple[Tensor, Tensor, Tensor]:
    for name in (angle, response):
        refuse_censored(name, columns[name])
    present = columns[response].observed
    lost = present & ~columns[angle].observed
    if bool(lost.any()):
        row = int(lost.nonzero()[0])
        raise InputError(
            f"row {row + 1}: '{response}' measured without '{angle}', on which it depends; the closed form "
            "needs both; leave both empty or use --engine laplace with an independent model"
        )
    return harmonic_design(columns[angle].values), columns[response].values, present


def _log_gammas(df: Tensor) -> Tensor:
    """The gamma functions of a t density; of no use where df is not positive."""
    df = df.clamp(min=1e-3)
    return torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2)
