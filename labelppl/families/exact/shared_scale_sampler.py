"""Several numbers: the shared scale by a partially collapsed Gibbs sampler, whole chains at once.

A sweep, with G = delta sum_k c_k Sigma_k^-1, N = K (delta + d - 1) and a = alpha + d - 1:

    delta, c | S, D         from log p(D | S, delta, c) + log p(delta, c), the class means and covariances integrated out,
                            log c_k on a lattice through its value of random width
    Sigma_k^-1 | delta, S, c ~ W(delta + d - 1 + n_k, Psi_k^-1);  mu_k | Sigma_k as conjugacy has it
    each missing number | mu, Sigma, the rest of its row: normal
    tau | c                 from its five values
    alpha | Sigma, c        S integrated out: -log Gamma_d(a/2) + a d/2 log a + log Gamma_d((a + N)/2)
                            - (a + N)/2 sum_j log(a + g_j),  g the eigenvalues of v^1/2 G v^1/2
    S | alpha, Sigma, c     ~ W(a + N, (a diag(1/v) + G)^-1)
    v_j | S                 g_j ~ IG(1, 1 + 1/v_j), v_j ~ IG((a + 1)/2, a S_jj / 2 + 1/g_j)
    (c, S, v) -> (c a, S / a, v / a)   along which the data are the same: log a from a lattice

Only (S, delta, c, v), with the sums of the rows as completed, is kept: labels integrate the means and covariances out.
Sources: van Dyk and Park, JASA 103 (2008), for the collapsing and its order; Makalic and Schmidt, IEEE Signal Processing
Letters 23 (2016), for the half-Cauchy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from ...arrays import Array, Floats
from .shared_scale import (
    ALPHAS,
    LIKENESSES,
    SPREAD_FLOOR,
    WORTHS,
    ClassSums,
    log_constants,
    multigammaln_rows,
)
from .shared_scale_rows import ClassRows, Sampled
from .wishart import pick, solve_transposed, transpose, wishart

#: Chains of each table.
CHAINS = 8
#: Limits of c_k, in variances: a class a million times as wide as another is no class of numbers in floating point.
SIZES = (1e-12, 1e12)
#: Steps of a lattice to each side, and the bounds of its width.
STEPS, STEP_WIDTHS = 8, (0.05, 0.8)
BURN_IN = 60
#: One sweep of so many is kept.
THIN = 2
#: Sweeps kept of each chain; fewer where so many nodes would not fit `NODE_NUMBERS`.
KEPT = 50
LEAST_KEPT = 10
NODE_NUMBERS = 2**24


class SharedScaleSampler:
    """The rows and the state of all chains, table after table. count (chains, classes)."""

    def __init__(
        self, tables: Sequence[ClassRows], classes: int, kappa: float, rng: np.random.Generator
    ) -> None:
        self.rng, self.classes, self.kappa = rng, classes, kappa
        self.d, self.chains = tables[0].part.shape[1], CHAINS * len(tables)
        d, a = self.d, ALPHAS + self.d - 1
        self.tables = tables
        self.count = np.repeat([table.count for table in self.tables], CHAINS, 0)
        self.constants = log_constants(self.count, d)
        degrees = a + classes * (WORTHS + d - 1)[:, None]
        self.gammas = (
            multigammaln_rows(degrees / 2, d) - multigammaln_rows(a / 2, d) + a * d / 2 * np.log(a)
        )
        part = self.tables[0].part
        self.filled = np.broadcast_to(np.nan_to_num(part), (CHAINS, *part.shape)).copy()

    def run(self, burn_in: int, thin: int) -> list[Sampled]:
        """Kept nodes of each table after ``burn_in`` sweeps, one of every ``thin``."""
        d, many = self.d, self.tables[0].partial
        size = d * d * (self.classes if many else 1)
        kept = int(np.clip(NODE_NUMBERS // (CHAINS * size), LEAST_KEPT, KEPT))
        sums = self._sums()
        rest = np.maximum(self.count.sum(-1) - self.classes, 1.0)
        scale = sums.scatter.sum(1) / rest[:, None, None] + 1e-2 * np.eye(d)
        v = np.diagonal(scale, axis1=-2, axis2=-1).copy()
        size, likeness = np.ones((self.chains, self.classes)), np.full(self.chains, LIKENESSES[-1])
        nodes: list[tuple[Array, ...]] = []
        for sweep in range(burn_in + kept * thin):
            if many or sweep == 0:
                w = sums.pull(self.kappa, SPREAD_FLOOR)
            worth, size = self._draw_worth_and_sizes(scale, w, size, likeness)
            if sweep >= burn_in and (sweep - burn_in) % thin == 0:
                nodes.append(
                    (scale, worth, size, np.sqrt(v), *((sums.mean, sums.scatter) if many else ()))
                )
            precision = wishart(
                self.rng,
                (worth + d - 1)[:, None] + self.count,
                (worth[:, None] * size)[..., None, None] * scale[:, None] + w,
            )
            if many:
                self._complete(precision, sums)
                sums = self._sums()
            g = worth[:, None, None] * (size[..., None, None] * precision).sum(1)
            degrees = self.classes * (worth + d - 1)
            a = self._draw_alpha(g, v, worth) + d - 1
            scale = wishart(self.rng, a + degrees, g + (a[:, None] / v)[:, None] * np.eye(d))
            v = self._draw_variances(a, np.diagonal(scale, axis1=-2, axis2=-1), v)
            if d > 1:
                likeness = self._draw_likeness(size)
                slide = np.exp(self._draw_slide(v, size, likeness))
                size = size * slide
                v = v / slide
                scale = scale / slide[..., None]
        columns = [np.stack(each, 1) for each in zip(*nodes, strict=True)]
        parts = [np.split(column, len(self.tables)) for column in columns]
        return [table.result(*own) for table, *own in zip(self.tables, *parts, strict=True)]

    def _draw_worth_and_sizes(
        self, scale: Floats, w: Floats, size: Floats, likeness: Floats
    ) -> tuple[Floats, Floats]:
        """delta (chains,) and c (chains, classes), the class covariances integrated out.

        All determinants come from the eigenvalues of W_k in units of S: log|delta c S + W| = log|S| + sum log(delta c + g).
        """
        nu, d = WORTHS + self.d - 1, self.d
        inverse = np.linalg.inv(np.linalg.cholesky(scale))[:, None]
        g = np.linalg.eigvalsh(inverse @ w @ transpose(inverse)).clip(min=0.0)
        log_c = np.log(size)[..., None] + (self._lattice(self.classes) if d > 1 else 0.0)
        log_prior = likeness[:, None, None] / 2 * (log_c - np.exp(log_c)) if d > 1 else 0.0 * log_c
        psi = np.zeros((len(WORTHS), *log_c.shape))
        for j in range(d):
            psi += np.log(WORTHS[:, None, None, None] * np.exp(log_c) + g[..., j, None])
        log_p = log_prior + nu[:, None, None, None] / 2 * d * log_c
        log_p -= ((nu[:, None, None] + self.count) / 2)[..., None] * psi
        top = log_p.max(-1, keepdims=True)
        log_sums = np.log(np.exp(log_p - top).sum(-1)) + top[..., 0]
        at = pick(self.rng, self.constants + log_sums.sum(-1).T)
        chosen = log_p[at, np.arange(self.chains)]
        step = pick(self.rng, chosen)
        log_c = np.take_along_axis(np.broadcast_to(log_c, chosen.shape), step[..., None], -1)
        return WORTHS[at], np.clip(np.exp(log_c[..., 0]), *SIZES)

    def _draw_likeness(self, size: Floats) -> Floats:
        """tau (chains,) given c."""
        half = LIKENESSES / 2
        constants = self.classes * (half * np.log(half) - gammaln(half))
        log_p = constants + half * (np.log(size) - size).sum(-1)[:, None]
        return np.asarray(LIKENESSES[pick(self.rng, log_p)])

    def _lattice(self, *shape: int) -> Floats:
        """Steps (chains, *shape, steps) to each side of 0, evenly spaced by a random width: draws among x + steps leave p(x)."""
        width = self.rng.uniform(*STEP_WIDTHS, (self.chains, *shape, 1))
        return np.asarray(width * np.arange(-STEPS, STEPS + 1))

    def _draw_slide(self, v: Floats, size: Floats, likeness: Floats) -> Floats:
        """log of a (chains, 1) for c a, S / a, v / a: the data see c S alone, so that single steps move slowly along it.

        Drawn from p(a | all else) on a lattice through a = 1.
        """
        log_a = self._lattice()
        log_v = np.log(v)[:, None] - log_a[..., None]
        half_cauchy = (log_v / 2 - np.logaddexp(0.0, log_v)).sum(-1)
        total = size.sum(-1)[:, None] * np.exp(log_a)
        gamma = likeness[:, None] / 2 * (self.classes * log_a - total)
        at = pick(self.rng, half_cauchy + gamma)
        return np.asarray(np.take_along_axis(log_a, at[:, None], 1))

    def _draw_alpha(self, g: Floats, v: Floats, worth: Floats) -> Floats:
        root = np.sqrt(v)
        eigenvalues = np.linalg.eigvalsh(g * root[:, :, None] * root[:, None]).clip(min=0.0)
        a = ALPHAS + self.d - 1
        half = (a + self.classes * (worth + self.d - 1)[:, None]) / 2
        log_det = np.log(a[:, None] + eigenvalues[:, None]).sum(-1)
        gammas = self.gammas[np.searchsorted(WORTHS, worth)]
        return np.asarray(ALPHAS[pick(self.rng, gammas - half * log_det)])

    def _draw_variances(self, a: Floats, diagonal: Floats, v: Floats) -> Floats:
        inverse = self.rng.gamma(1.0, 1.0 / (1.0 + 1.0 / v))
        rate = a[:, None] * diagonal / 2 + inverse
        shape = np.broadcast_to((a[:, None] + 1) / 2, rate.shape)
        return np.asarray(np.clip(rate / self.rng.gamma(shape), 1e-14, 1e14))

    def _complete(self, precision: Floats, sums: ClassSums) -> None:
        """Draw each missing number given the rest of its row, column by column, from class means and precisions."""
        table, pull = self.tables[0], self.kappa + self.count
        noise = self.rng.normal(size=(CHAINS, self.classes, self.d, 1))
        away = solve_transposed(np.linalg.cholesky(precision), noise)[..., 0]
        mean = (self.count / pull)[..., None] * sums.mean + away / np.sqrt(pull)[..., None]
        for j, column in enumerate(np.isnan(table.part).T):
            rows = np.flatnonzero(column)
            y = table.part_labels[rows]
            own = precision[:, y, j]
            at = own[..., j]
            residual = (own * (self.filled[:, rows] - mean[:, y])).sum(-1)
            noise = self.rng.normal(size=at.shape)
            self.filled[:, rows, j] += noise / np.sqrt(at) - residual / at

    def _sums(self) -> ClassSums:
        """Sums of the complete and the completed rows, (chains, ...)."""
        complete = [table.complete for table in self.tables]
        mean = np.repeat([sums.mean[0] for sums in complete], CHAINS, 0)
        scatter = np.repeat([sums.scatter[0] for sums in complete], CHAINS, 0)
        table = self.tables[0]
        if not table.partial:
            return ClassSums(self.count, mean, scatter)
        count = table.complete.count
        total = count[:, None] * mean
        square = scatter + count[:, None, None] * mean[..., :, None] * mean[..., None, :]
        for k in np.unique(table.part_labels):
            rows = self.filled[:, table.part_labels == k]
            total[:, k] += rows.sum(1)
            square[:, k] += transpose(rows) @ rows
        center = total / np.maximum(self.count, 1.0)[..., None]
        outer = center[..., :, None] * center[..., None, :]
        return ClassSums(self.count, center, square - self.count[..., None, None] * outer)
