"""Class-conditional Gaussian with full covariance, the class means and covariances integrated out.

Given the scale that the classes share (`shared_scale`), class k with n rows of mean zbar has, in standard units,

    kappa_n = kappa0 + n,   m_n = n zbar / kappa_n,   Psi_n = delta S + W_k,   nu_n = delta + d - 1 + n
    z | D ~ t_{nu_n - d + 1}(m_n, Psi_n (kappa_n + 1) / (kappa_n (nu_n - d + 1)))

With q = (z - m_n)^T Psi_n^{-1} (z - m_n), taking z out of the class or putting it in changes numbers only:

    out   s = kappa / (kappa - 1)   q <- s^2 q / (1 - s q)   log|Psi| += log(1 - s q)   kappa, nu less one
    in    r = kappa / (kappa + 1)   q <- r^2 q / (1 + r q)   log|Psi| += log(1 + r q)   kappa, nu more by one

For (mu, Sigma) ~ NIW and a fixed z of p numbers no matrix has to be drawn: with c ~ chi^2_df, X ~ chi^2_{p-1}, e ~ N(0, 1),

    log N(z | mu, Sigma) = -(p log 2 pi + log|Psi| - sum_{j<p} log chi^2_{df+j} - log c + (q + 1/kappa) X
                            + (sqrt(q c) + e / sqrt(kappa))^2) / 2      in distribution

Missing coordinates: the marginal t keeps the same degrees of freedom. Leaving a case out also changes what is known of the
shared scale; its nodes are weighted by 1 / p(z_i | y_i, node), Pareto-smoothed where they are draws. Sources: Murphy (2007),
9; the up- and down-dates are the Sherman-Morrison identity; the law of the log density follows from Bartlett's factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...features import Column
from ...psis import pareto_smooth
from ...seeds import Stream, stream
from .base import (
    CHANGES,
    Evidence,
    Factor,
    draw_nodes,
    exactly,
    labelled,
    log_gamma_draws,
    refuse_censored,
)
from .shared_scale import KAPPA0, SPREAD_FLOOR, ClassSums, SharedScale, class_sums
from .shared_scale_gibbs import by_gibbs, wishart
from .shared_scale_grid import draw_spread, on_grid

#: What the numbers are before they are normal.
Scale = Literal["plain", "log", "logit"]

#: Numbers held at once while distances are computed.
DISTANCE_NUMBERS = 2**22


@dataclass(frozen=True)
class NIW:
    """A prior of one's own, the same for every class: NIW(mean (d,), kappa, nu, scale (d, d)), nu > d - 1.

    E[Sigma] = scale / (nu - d - 1).
    """

    mean: Tensor
    kappa: float
    nu: float
    scale: Tensor

    def __post_init__(self) -> None:
        d = len(self.mean)
        if self.nu <= d - 1:
            raise InputError(f"NIW: got nu0 = {self.nu:g}, expected more than d - 1 = {d - 1}")
        if self.kappa <= 0:
            raise InputError(f"NIW: got kappa0 = {self.kappa:g}, expected more than 0")

    @classmethod
    def around(cls, center: Tensor, spread: Tensor, kappa: float = 0.1) -> NIW:
        """nu0 = d + 2, so that E[Sigma] = diag(`spread`^2); `center`, `spread` (d,) in model units."""
        return cls(center, kappa, len(center) + 2.0, torch.diag(spread**2))


@dataclass(frozen=True)
class Standard:
    """The default: what the classes share is learned, in units of ``center`` and ``spread`` (d,) over all cases."""

    center: Tensor
    spread: Tensor


@dataclass(frozen=True)
class GaussianFactor(Factor):
    """Posterior of the class means and covariances, given each node of what the classes share.

    center, unit (d,): of the standard units. kappa, count (classes,). mean (1 or nodes, classes, d) and scatter (1 or
    nodes, classes, d, d): zbar's pull m_n, and W_k. scale (nodes, d, d), worth (nodes,), log_weights (nodes,), spread
    (nodes, d) or None: as in `SharedScale`.
    """

    site: str
    column: Column
    labels: Tensor
    center: Tensor
    unit: Tensor
    count: Tensor
    kappa: Tensor
    mean: Tensor
    scatter: Tensor
    scale: Tensor
    worth: Tensor
    log_weights: Tensor
    spread: Tensor | None
    learned: bool
    how: Scale = "plain"
    told: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        site: str,
        column: Column,
        labels: Tensor,
        classes: int,
        prior: NIW | Standard,
        seed: int = 0,
        how: Scale = "plain",
    ) -> GaussianFactor:
        """column.values (cases, d); labels (cases,). A class without rows keeps the prior.

        Raises InputError for an unlabelled or censored row, and under `NIW` for one measured in part.
        """
        labels = labelled(labels, classes)
        refuse_censored(site, column)
        values, observed = matrix(column)
        known = prior if isinstance(prior, NIW) else None
        center = prior.mean if isinstance(prior, NIW) else prior.center
        unit = torch.ones_like(center) if isinstance(prior, NIW) else prior.spread
        values = to_scale(values, observed, how)[0]
        z = torch.where(observed, (values - center) / unit, torch.nan).numpy()
        rng = stream(seed, "gaussian", site).numpy()
        shared, sums, problems = _learn(site, z, labels.numpy(), classes, known, rng)
        kappa0, floor = (KAPPA0, SPREAD_FLOOR) if known is None else (known.kappa, 0.0)
        count, mean = torch.from_numpy(sums.count), torch.from_numpy(sums.mean)
        kappa = kappa0 + count
        return cls(
            site,
            column,
            labels,
            center,
            unit,
            count,
            kappa,
            mean * (count / kappa)[:, None],
            torch.from_numpy(sums.pulled(kappa0, floor)),
            torch.from_numpy(shared.scale),
            torch.from_numpy(shared.worth),
            torch.from_numpy(shared.log_weights),
            None if shared.spread is None else torch.from_numpy(shared.spread),
            known is None,
            how,
            problems,
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the shared scale must not be trusted; empty if its sampler qualifies."""
        return self.told

    def fitted_columns(self) -> Mapping[str, Column]:
        return {self.site: self.column}

    def new(self, columns: Mapping[str, Column]) -> Evidence:
        refuse_censored(self.site, columns[self.site])
        return self._evidence(columns[self.site], None)

    def left_out(self, rows: Tensor) -> Evidence:
        return self._evidence(self.column.take(rows), self.labels[rows])

    def _evidence(self, column: Column, labels: Tensor | None) -> Evidence:
        values, observed = matrix(column)
        values, log_stretch = to_scale(values, observed, self.how)
        patterns, which = torch.unique(observed, dim=0, return_inverse=True)
        parts = []
        for at, pattern in enumerate(patterns):
            rows = (which == at).nonzero()[:, 0]
            kept = pattern.nonzero()[:, 0]
            own = None if labels is None or len(kept) == 0 else labels[rows]
            part = _Pattern.of(self, values[rows], kept, own, log_stretch[rows])
            parts.append((rows, kept, part))
        return _ByPattern(len(values), len(self.count), tuple(parts))

    def posterior(self, k: int, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """m_n (nodes, d) and Psi_n (nodes, d, d) of class ``k`` at ``nodes``, in standard units."""
        where = nodes if len(self.mean) > 1 else torch.zeros_like(nodes)
        psi = self.worth[nodes, None, None] * self.scale[nodes] + self.scatter[where, k]
        return self.mean[where, k], psi

    def draw(self, n: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        weights = self.log_weights.exp().numpy()
        node = np.sort(rng.choice(len(weights), n, p=weights / weights.sum()))
        rng.shuffle(node)
        at, d = torch.from_numpy(node), len(self.center)
        means, roots = [], []
        for k in range(len(self.count)):
            mean, psi = self.posterior(k, at)
            degrees = self.worth[at] + d - 1 + self.count[k]
            root = _inverse_root(rng, degrees.numpy(), psi.numpy())
            noise = torch.from_numpy(rng.normal(size=(n, d, 1)))
            step = (root @ noise)[..., 0] / math.sqrt(float(self.kappa[k]))
            means.append(self.center + self.unit * (mean + step))
            roots.append(self.unit[:, None] * root)
        draws = {
            f"{self.site}_mean": torch.stack(means, 1),
            f"{self.site}_scale_tril": torch.stack(roots, 1),
        }
        if self.learned:
            spread = (
                draw_spread(self.scale[:, 0, 0].numpy(), node, rng) if self.spread is None else None
            )
            drawn = self.spread[at] if self.spread is not None else torch.from_numpy(spread)
            draws[f"{self.site}_spread"] = drawn * self.unit
        return draws


class _State(NamedTuple):
    """What z sees of a class at its nodes: q and log|Psi| (cases, nodes), for p numbers."""

    q: Tensor
    log_det: Tensor


@dataclass(frozen=True)
class _Pattern(Evidence):
    """Cases that have the same ``p`` numbers. states: by class. own (cases,): the label that is left out, or None.

    log_unit (cases,): log of what a unit of z is in the model's unit. by_node (cases, classes, nodes): log predictive density. log_weights (cases,
    nodes): of the nodes without the case; tail (cases,): their Pareto k.
    """

    factor: GaussianFactor
    p: int
    log_unit: Tensor
    states: tuple[_State, ...]
    own: Tensor | None
    by_node: Tensor
    log_weights: Tensor
    tail: Tensor

    @classmethod
    def of(
        cls,
        factor: GaussianFactor,
        values: Tensor,
        kept: Tensor,
        own: Tensor | None,
        log_stretch: Tensor,
    ) -> _Pattern:
        """Evidence of the numbers ``kept`` of ``values`` (cases, d)."""
        z = ((values - factor.center) / factor.unit)[:, kept]
        n, p = z.shape
        log_unit = log_stretch + torch.log(factor.unit[kept]).sum()
        states = tuple(_state(factor, z, kept, k) for k in range(len(factor.count)))
        by_node = torch.stack(
            [
                _log_t(factor, state, k, p, own) - log_unit[:, None]
                for k, state in enumerate(states)
            ],
            1,
        )
        log_weights, khat = factor.log_weights.expand(n, -1), exactly(n)
        if own is not None and len(factor.worth) > 1:
            ratios = factor.log_weights - by_node[torch.arange(n), own]
            if factor.spread is None:
                log_weights = torch.log_softmax(ratios, -1)
            else:
                log_weights, khat = map(torch.from_numpy, pareto_smooth(ratios.numpy()))
        return cls(factor, p, log_unit, states, own, by_node, log_weights, khat)

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        return torch.logsumexp(self.by_node + self.log_weights[:, None], -1)

    @property
    def khat(self) -> Tensor:
        """(cases,)."""
        return self.tail

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        node = draw_nodes(self.by_node, self.log_weights, chosen, numbers.stream("node"))
        (n, draws), p = chosen.shape, self.p
        worths, index = torch.unique(self.factor.worth, return_inverse=True)
        generator = numbers.stream("density").torch()
        out = []
        for k, state in enumerate(self.states):
            count, kappa = float(self.factor.count[k]), float(self.factor.kappa[k])
            df = worths[:, None] + count + CHANGES
            log_c = math.log(2) + log_gamma_draws(df / 2, draws, generator)
            others = (df[..., None] + torch.arange(1, p)) / 2
            log_rest = (math.log(2) + log_gamma_draws(others, draws, generator)).sum(-2)
            across = torch.zeros(draws, dtype=torch.float64)
            if p > 1:
                half = torch.full((draws,), (p - 1) / 2, dtype=torch.float64)
                across = 2 * torch._standard_gamma(half, generator=generator)
            e = torch.randn(draws, generator=generator, dtype=torch.float64)
            q, log_det = state.q.gather(1, node), state.log_det[node]
            out_of = torch.zeros_like(chosen, dtype=torch.bool)
            if self.own is not None:
                out_of = (self.own == k)[:, None].expand_as(chosen)
                q, log_det = _take_out(q, log_det, kappa, out_of)
            into = chosen == k
            held = kappa - out_of.to(q)
            r = held / (held + 1)
            log_det = log_det + torch.where(into, torch.log1p(r * q), 0.0)
            q = torch.where(into, r**2 * q / (1 + r * q), q)
            held = held + into.to(q)
            at = index[node], 1 - out_of.long() + into.long(), torch.arange(draws).expand(n, -1)
            c = torch.exp(log_c[at])
            square = (q + 1 / held) * across + ((q * c).sqrt() + e / held.sqrt()) ** 2
            out.append(0.5 * (log_rest[at] + log_c[at] - log_det - square))
        return torch.stack(out, -1) - (
            0.5 * p * math.log(2 * math.pi) + self.log_unit[:, None, None]
        )


@dataclass(frozen=True)
class _ByPattern(Evidence):
    """Cases with different numbers missing."""

    cases: int
    classes: int
    parts: tuple[tuple[Tensor, Tensor, _Pattern], ...]

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        out = torch.zeros(self.cases, self.classes, dtype=torch.float64)
        for rows, _, part in self.parts:
            out[rows] = part.log_predictive
        return out

    @property
    def khat(self) -> Tensor:
        """(cases,)."""
        out = exactly(self.cases)
        for rows, _, part in self.parts:
            out[rows] = part.khat
        return out

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        out = torch.zeros(*chosen.shape, self.classes, dtype=torch.float64)
        for rows, kept, part in self.parts:
            if len(kept):
                out[rows] = part.draw(chosen[rows], numbers.stream(*kept.tolist()))
        return out


def _learn(
    site: str,
    z: np.ndarray,
    labels: np.ndarray,
    classes: int,
    known: NIW | None,
    rng: np.random.Generator,
) -> tuple[SharedScale, ClassSums, tuple[str, ...]]:
    """What the classes share, given the rows; a prior of one's own is one node that is known."""
    some, whole = ~np.isnan(z).all(-1), ~np.isnan(z).any(-1)
    if known is not None:
        part = some & ~whole
        if part.any():
            raise InputError(
                f"feature '{site}', row {int(part.nonzero()[0][0]) + 1}: measured in part; under a NIW prior the closed "
                "form needs complete rows to fit on (new cases may be incomplete); use --engine laplace"
            )
        worth = known.nu - z.shape[1] + 1
        shared = SharedScale(
            (known.scale / worth).numpy()[None], np.array([worth]), np.zeros(1), None
        )
        return shared, class_sums(z[some], labels[some], classes), ()
    if z.shape[1] == 1:
        sums = class_sums(z[some], labels[some], classes)
        return on_grid(sums.pulled(KAPPA0, SPREAD_FLOOR)[0, :, 0, 0], sums.count), sums, ()
    sampled = by_gibbs(z, labels, classes, rng)
    problems = tuple(f"feature '{site}': {problem}" for problem in sampled.problems)
    return sampled.shared, sampled.sums, problems


def _state(factor: GaussianFactor, z: Tensor, kept: Tensor, k: int) -> _State:
    """Distances of ``z`` (cases, p) from class ``k`` at every node."""
    nodes, p = torch.arange(len(factor.worth)), len(kept)
    if p == 0:
        return _State(z.new_zeros(len(z), len(nodes)), z.new_zeros(len(nodes)))
    mean, psi = factor.posterior(k, nodes)
    root = torch.linalg.cholesky(psi[:, kept][:, :, kept])
    eye = torch.eye(p, dtype=z.dtype).expand_as(root)
    inverse = torch.linalg.solve_triangular(root, eye, upper=False)
    shift = (inverse @ mean[:, kept, None])[..., 0]
    step = max(1, DISTANCE_NUMBERS // max(1, shift.numel()))
    q = [
        ((part @ inverse.reshape(-1, p).T).reshape(len(part), *shift.shape) - shift)
        .square()
        .sum(-1)
        for part in z.split(step)
    ]
    log_det = 2 * torch.log(root.diagonal(dim1=-2, dim2=-1)).sum(-1)
    return _State(torch.cat(q), log_det)


def _log_t(factor: GaussianFactor, state: _State, k: int, p: int, own: Tensor | None) -> Tensor:
    """log predictive density (cases, nodes) of class ``k``, from which the cases of that label are taken out."""
    q, log_det = state.q, state.log_det.expand_as(state.q)
    kappa, df = float(factor.kappa[k]), factor.worth + factor.count[k]
    constant = _log_constant(df, p, kappa / (kappa + 1)).expand_as(q)
    power, r = (df + p) / 2, torch.full_like(q[:, :1], kappa / (kappa + 1))
    if own is not None:
        mine = (own == k)[:, None]
        q, log_det = _take_out(q, log_det, kappa, mine)
        constant = torch.where(mine, _log_constant(df - 1, p, (kappa - 1) / kappa), constant)
        power = power - 0.5 * mine.to(q)
        r = torch.where(mine, (kappa - 1) / kappa, r)
    return constant - 0.5 * log_det - power * torch.log1p(r * q)


def _log_constant(df: Tensor, p: int, r: float) -> Tensor:
    """(nodes,) what the log t density has beside the distance; of no use where df is not positive."""
    df = df.clamp(min=1e-3)
    gammas = torch.lgamma((df + p) / 2) - torch.lgamma(df / 2)
    return gammas + 0.5 * p * (math.log(max(r, 1e-300)) - math.log(math.pi))


def _take_out(q: Tensor, log_det: Tensor, kappa: float, mine: Tensor) -> tuple[Tensor, Tensor]:
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


def matrix(column: Column) -> tuple[Tensor, Tensor]:
    """Values and observed as (cases, d), also where the feature is a single number."""
    if column.values.dim() == 1:
        return column.values[:, None], column.observed[:, None]
    observed = column.observed
    return column.values, observed if observed.dim() == 2 else observed[:, None].expand(
        column.values.shape
    )


def to_scale(values: Tensor, observed: Tensor, how: Scale) -> tuple[Tensor, Tensor]:
    """The numbers (cases, d) on their scale, and the log of dz / d(scale) (cases,) of what was observed."""
    if how == "plain":
        return values, values.new_zeros(len(values))
    if how == "log":
        moved = torch.log(torch.where(observed, values, 1.0))
        return moved, moved.sum(-1)
    inside = torch.where(observed, values, 0.5)
    moved = torch.logit(inside)
    log_slope = torch.log(inside) + torch.log1p(-inside)
    return moved, torch.where(observed, log_slope, 0.0).sum(-1)
